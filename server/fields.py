"""The headers of a request, by their names in small letters."""

from typing import Self

from starlette.types import Scope

_ONE_LIST = "accept"  # which may be sent in several parts


class Fields(dict[str, str]):
    """The first of each name counts, but for those that are one list."""

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Those of a request."""
        given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        found = cls(reversed(given))
        if len(found) < len(given) and _ONE_LIST in found:
            found[_ONE_LIST] = ", ".join(value for name, value in given if name == _ONE_LIST)
        return found
