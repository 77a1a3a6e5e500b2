"""Check the head of a request before anything else: its host and its origin."""
