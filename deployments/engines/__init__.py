"""Engines: one per file, and a spec names the file; files with a leading `_` are shared parts."""
