"""The commands of `gamehub-graph`, one per file."""
