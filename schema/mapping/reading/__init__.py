"""Read the rows of each noun of the graph: one module for each type whose rows need more than column names."""
