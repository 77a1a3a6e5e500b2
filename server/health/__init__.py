"""The health of the upstreams and of the cache."""
