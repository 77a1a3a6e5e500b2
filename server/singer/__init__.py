"""The tables in the Singer protocol, for `gamehub-graph tap`."""
