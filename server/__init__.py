"""How the graph is served: the Starlette app, the explorer page, settings and the command line."""
