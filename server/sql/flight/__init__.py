"""Arrow Flight SQL: the same statements, for ADBC and the tools that use it."""
