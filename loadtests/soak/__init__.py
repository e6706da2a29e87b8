"""Half an hour of good and bad clients, and whether any process of the stack grows."""
