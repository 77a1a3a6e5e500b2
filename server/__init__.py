"""Serve the graph: the Starlette application, the pages, the settings and the command line."""
