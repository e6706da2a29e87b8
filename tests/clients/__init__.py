"""Clients against a gateway, each client in an environment of its own: `make test-clients`.

A scenario is a test function; functions of one name in several files are one row of
`docs/clients.md`. The files import nothing of the project but this folder, since an environment
has the client, pytest and little else. `test_*.py` are of the development environment, and
`make test` runs them as well.
"""
