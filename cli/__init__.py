"""The command `niche`: one thin file per subcommand. No other package imports `cli`."""
