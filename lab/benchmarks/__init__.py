"""The figures that the project holds itself to, each from public rows, by one command."""
