"""The headers of a request, by their names in lower case."""

from typing import Self

from starlette.types import Scope

# Headers that are lists. Clients may send them in several parts.
_LISTS = frozenset({"accept", "cache-control", "if-match", "if-none-match", "pragma"})


class RequestHeaders(dict[str, str]):
    """A mapping with the first header of each name. Headers that are lists are joined."""

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Return the headers of a request."""
        given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        found = cls(reversed(given))
        if len(found) < len(given):
            for one in _LISTS & found.keys():
                found[one] = ", ".join(value for name, value in given if name == one)
        return found
