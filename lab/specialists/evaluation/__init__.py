"""The niche matrix: every model on every niche, graded, timed, and compared with the generalist."""
