"""Compiled execution: an operation of any Strawberry schema, as straight-line Python over whole lists of objects."""
