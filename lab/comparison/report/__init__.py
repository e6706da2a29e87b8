"""A comparison's figures for people and programs: terminal, `report.json`, one HTML file."""
