"""What a stack does with more requests than it can answer: `make overload`."""
