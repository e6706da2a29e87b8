"""The command `niche`: one file per subcommand, thin. Nobody imports cli."""
