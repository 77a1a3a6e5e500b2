"""Decode the answers of the upstreams into typed rows."""
