"""Tools for assistants, over the Model Context Protocol: the saved queries, plans, and a search in the schema."""
