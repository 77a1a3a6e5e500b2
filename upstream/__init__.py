"""How the two systems are spoken to: the table of reports, rows, transport, auth and errors."""
