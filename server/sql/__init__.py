"""SQL over the tables of the graph: DuckDB runs a checked statement in a process of its own."""
