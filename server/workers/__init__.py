"""Several processes that serve on one socket, and the supervisor that starts and restarts them."""
