"""The stack of sources that answers the calls of one operation."""
