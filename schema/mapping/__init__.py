"""Map GraphQL types to the rows of reports."""
