"""HTTP in, HTTP out: parse, admit, ask the router, stream, render, count.

Only `cli` imports gateway. Everything here runs in a gateway replica.
"""
