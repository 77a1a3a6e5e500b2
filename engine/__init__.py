"""The compiled executor: it turns an operation of any Strawberry schema into Python that works on whole lists of
objects.
"""
