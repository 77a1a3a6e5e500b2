"""Find the rows of an answer: the loader, the planner and the sources. Know no GraphQL type."""
