"""Serve HTTP: connections, headers, error answers, and the `/graphql` endpoint."""
