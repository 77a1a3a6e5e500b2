"""Protect the upstreams and their callers: breakers, budgets, queues, deadlines and single flight."""
