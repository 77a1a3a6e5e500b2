"""A request that is refused before anything runs, and the one shape that every error answer has."""

import re
from collections.abc import Mapping
from typing import Any

Errors = list[dict[str, Any]]


_THERE = re.compile(r"; (?:there are|it has|it can be) .*", re.DOTALL)


def without_names(message: str) -> str:
    """Return a message without the names of what there is: for a server that tells nobody its schema."""
    return _THERE.sub(".", message)


def error(message: str, code: str) -> dict[str, Any]:
    """An error as GraphQL writes it, with the code that programs read."""
    return {"message": message, "extensions": {"code": code}}


class RequestError(Exception):
    """Why a request is refused: a status, a code and a message for the client; `headers` go with the answer."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.errors: Errors = [error(message, code)]


def unauthenticated(message: str) -> RequestError:
    """Why nobody is let in."""
    return RequestError(401, "UNAUTHENTICATED", message)


class GuessedCredential(RequestError):
    """Why nobody is let in by a credential that may have been guessed: the lockout counts it."""

    def __init__(self, message: str) -> None:
        super().__init__(401, "UNAUTHENTICATED", message)
