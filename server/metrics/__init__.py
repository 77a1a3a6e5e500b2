"""The figures of `/metrics`. Requests only count; the collectors here read the counts at each scrape."""
