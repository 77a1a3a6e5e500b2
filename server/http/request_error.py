"""The error of a request that is refused, in the form that GraphQL has for errors."""

import re
from collections.abc import Mapping
from typing import Any

Errors = list[dict[str, Any]]


_THERE = re.compile(r"; (?:there are|it has|it can be) .*", re.DOTALL)


def without_names(message: str) -> str:
    """Return a message without its list of existing names, for a server that hides its schema."""
    return _THERE.sub(".", message)


def error(message: str, code: str) -> dict[str, Any]:
    """Return an error as GraphQL writes it, with the code for programs."""
    return {"message": message, "extensions": {"code": code}}


class RequestError(Exception):
    """A request is refused. The client receives the status, the code, the message and the `headers`."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.errors: Errors = [error(message, code)]

    @property
    def lines(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI sends them."""
        return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]


def unauthenticated(message: str) -> RequestError:
    """Return the error for a missing or wrong credential."""
    return RequestError(401, "UNAUTHENTICATED", message)


class GuessedCredential(RequestError):
    """The error for a credential that may be a guess. The lockout counts it."""

    def __init__(self, message: str) -> None:
        super().__init__(401, "UNAUTHENTICATED", message)
