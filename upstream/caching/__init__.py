"""Keep days of reports, in memory or in Redis."""
