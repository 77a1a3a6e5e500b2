"""The topics that subscribers wait for, and their polls."""
