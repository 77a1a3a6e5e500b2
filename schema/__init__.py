"""The graph that clients query: Strawberry types, one noun per file. `schema.graphql` is the printed schema."""
