"""Selection at work on the real stack: a planted bad specialist, then a better generalist."""
