"""Read the credential of a request: `Authorization: Bearer`, `X-Api-Key`, or Basic with the key as the password."""

import base64
import binascii
from collections.abc import Callable, Iterable

from starlette.types import Scope


class WrongCredential(Exception):
    """The request has no readable single credential. The text says what is right and does not repeat the credential."""


def credential(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the key or token of a request; None if it has none. Raises WrongCredential."""
    found = [(name, value.decode("latin-1").strip()) for name, value in headers if name in _READ]
    if not found:
        return None
    if len(found) > 1:
        raise WrongCredential("Send one credential, not several: Authorization or X-Api-Key, once.")
    name, value = found[0]
    text = _READ[name](value)
    if not text.isascii() or not text.isprintable() or " " in text or not text:
        raise WrongCredential("The credential is empty, or holds signs that no key and no token has.")
    return text


def carries(scope: Scope) -> bool:
    """Return whether an authenticated request has a credential: one of these headers, or a signed link."""
    return scope.get("key_id") is not None or any(name in _READ for name, _ in scope["headers"])


def _authorization(value: str) -> str:
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            _, colon, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            colon = password = ""
        if not colon:
            raise WrongCredential("The Basic credential cannot be read: it is base64 of any user name, : and the key.")
        return password
    raise WrongCredential("Authorization takes Bearer with a key or a token, or Basic with a key as the password.")


_READ: dict[bytes, Callable[[str], str]] = {b"authorization": _authorization, b"x-api-key": lambda value: value}
# The headers of credentials, and how `Vary` lists them.
NAMES = frozenset(name.decode() for name in _READ)
VARY = "Authorization, X-Api-Key"
