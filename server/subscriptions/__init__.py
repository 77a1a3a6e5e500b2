"""Serve subscriptions: one poll for the subscribers of a topic, and the transports over which they receive it."""
