"""The listening socket of the server, and the server on it."""
