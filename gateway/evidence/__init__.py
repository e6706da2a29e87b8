"""The live comparison: shadow answers, their grades, the evidence, and what follows from it."""
