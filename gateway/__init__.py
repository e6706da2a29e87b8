"""HTTP in, HTTP out: parse, admit, ask the router, stream, render, count.

Nobody imports gateway.
"""
