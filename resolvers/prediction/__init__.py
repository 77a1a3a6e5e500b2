"""Predict the calls of an operation on made-up rows."""
