"""The commands of `niche`, one a file: `add(subparsers)` declares it, and its function runs it."""
