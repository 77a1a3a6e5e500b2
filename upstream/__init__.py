"""Call the two upstream systems: reports, decoding, caching, transport, resilience and errors."""
