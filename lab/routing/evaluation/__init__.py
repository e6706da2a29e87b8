"""What a router does on labelled rows: figures, curves, reports and their pictures."""
