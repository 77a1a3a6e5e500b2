"""Send requests to the upstreams over HTTP."""
