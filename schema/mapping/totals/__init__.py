"""Totals and buckets of lists: their figures, their keys, and the columns that they read."""
