"""Run operations: parse, validate, limit and execute documents; read their variables and options."""
