"""Complete the names of saved queries in a shell. `gamehub-graph --install-completion` turns it on."""

from collections.abc import Iterator


def saved_names(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the saved queries whose names begin like this, with their descriptions."""
    yield from _names(incomplete, tables=False)


def table_names(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the saved queries that are tables."""
    yield from _names(incomplete, tables=True)


def _names(incomplete: str, *, tables: bool) -> Iterator[tuple[str, str]]:
    from server.execution.saved import saved_queries

    for one in saved_queries():
        if one.name.startswith(incomplete) and (not tables or "@rows" in one.text):
            yield one.name, one.comment.partition(". ")[0]
