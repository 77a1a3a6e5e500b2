"""The real server, `gamehub-graph serve`, allowed pages as large as the benchmark's largest world."""

import schema.connection
from server.command import main

if __name__ == "__main__":
    schema.connection.MAX_FIRST = 10_000
    main()
