"""Several servers behind one nginx, and the load on them."""
