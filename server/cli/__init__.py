"""The command line `gamehub-graph`."""
