"""What a client may ask: Strawberry types, one noun a file; `schema.graphql` is the printed schema."""
