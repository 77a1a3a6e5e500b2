"""The headers of a request, by their names in lower case."""

from starlette.types import Scope

# Headers that are lists. Clients may send them in several parts.
_LISTS = frozenset({"accept", "accept-encoding", "cache-control", "if-match", "if-none-match", "pragma"})

_KEPT = "request_headers"


class RequestHeaders(dict[str, str]):
    """A mapping with the first header of each name. Headers that are lists are joined."""

    @classmethod
    def of(cls, scope: Scope) -> "RequestHeaders":
        """Return the headers of a request. They are read once; the scope keeps them for all parts of the server."""
        if _KEPT in scope:
            kept: RequestHeaders = scope[_KEPT]
            return kept
        given = scope["headers"]
        found = cls({str(name, "latin-1"): str(value, "latin-1") for name, value in reversed(given)})
        if len(found) < len(given):
            for one in _LISTS & found.keys():
                found[one] = ", ".join(str(value, "latin-1") for name, value in given if name.decode("latin-1") == one)
        scope[_KEPT] = found
        return found
