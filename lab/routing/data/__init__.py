"""Labelled prompts: read from files and logs, and separated into splits that share nothing."""
