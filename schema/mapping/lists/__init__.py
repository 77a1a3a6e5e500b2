"""Lists of the graph: their order, their pages, and items that need no object."""
