"""`make bench`: the serving path beside a bare upstream, LiteLLM and bare Ray Serve, in one run.

Rule: all load stays on the loopback device unless a person allows otherwise, is bounded in time
and number, and only processes that the benchmark started are ended.
"""
