"""Looks at the running system from outside, over HTTP. Imports nothing of the other folders."""
