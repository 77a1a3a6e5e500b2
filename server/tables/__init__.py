"""A saved query is a table: flat, typed and whole, in the formats that BI tools read."""
