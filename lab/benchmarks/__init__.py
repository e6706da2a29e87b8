"""The project's benchmarks: figures with targets, each from public rows, run by one command."""
