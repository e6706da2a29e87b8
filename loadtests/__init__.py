"""Looks at the running system from outside, over HTTP alone. Imports nothing of the other folders."""
