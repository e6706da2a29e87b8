"""Text in, decision out. Plain Python: no Ray, no HTTP, no metrics; time and backends are passed
in."""
