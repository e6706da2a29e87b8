"""Parts of a serving stack die or hang under load, in turn, and what its clients see is counted."""
