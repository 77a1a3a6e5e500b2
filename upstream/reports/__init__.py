"""Declare the reports of both systems: parameters, rows, owners and order."""
