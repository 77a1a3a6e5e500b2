"""How each noun of the graph reads its rows: one module for each type whose rows need more than column names."""
