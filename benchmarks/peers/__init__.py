"""The servers that a user would pick instead, and what it takes to compare them: upstream, load and questions."""
