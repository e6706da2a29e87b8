"""The real stack, from outside."""
