"""Find the caller of a request, what it may do, and how much of it."""
