"""The rules by which reports are compared with each other, as data and pure functions."""
