"""Public data sets, each named with its home, licence and checksum, read from a local directory."""
