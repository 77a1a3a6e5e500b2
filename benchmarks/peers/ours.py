"""The real server, as `gamehub-graph serve` goes on, allowed pages as large as the benchmark's largest world."""

from importlib import import_module

from server.serve import main
from server.settings.settings import NAMES


def serve() -> None:
    """Serve, with the settings of the environment."""
    if "MAX_FIRST" not in NAMES:
        import_module(
            "schema.mapping.lists.connection"
        ).MAX_FIRST = 10_000  # not before `server.serve` has said how to load it
    main()


if __name__ == "__main__":
    serve()
