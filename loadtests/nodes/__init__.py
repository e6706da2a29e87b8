"""The chart's pods as Ray nodes in network namespaces: what clients see when these come and go."""
