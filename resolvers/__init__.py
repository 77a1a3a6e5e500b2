"""How an answer is found: the loaders and the planner. Knows no GraphQL type."""
