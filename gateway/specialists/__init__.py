"""Specialists come and go: the file that a stack follows, and the endpoints that change it."""
