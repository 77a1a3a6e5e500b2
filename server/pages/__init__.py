"""Serve the explorer and the files it needs."""
