"""Load tests of the running system, from outside over HTTP; imports no other package of it."""
