"""The online evaluation: shadow answers, grades, evidence, and changes of state."""
