"""Engines, one a file, named in a spec as the file is; files that begin with `_` are parts."""
