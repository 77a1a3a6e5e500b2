"""API keys: 256 random bits that are shown once. Only their SHA-256 is stored.

A key has the form `ghk_<id>_<secret>`. The id is public: it finds the key to compare with, and its owner sees it.
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from resolvers.caller import EVERYONE, Caller

PREFIX = "ghk"

_KEY = re.compile(rf"{PREFIX}_([0-9a-f]{{8}})_([A-Za-z0-9_-]{{43}})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class KeyTrouble(Exception):
    """A command on the keys failed. The text says why."""


class KeysUnreadable(Exception):
    """The stored keys cannot be read, so it is unknown which keys are valid."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests and upstream calls per minute. 0 means no limit, None means the limit of the setting."""

    requests: int | None = None
    calls: int | None = None


AS_SET = Rates()
UNLIMITED = Rates(0, 0)


@dataclass(frozen=True, slots=True)
class Key:
    """The stored facts about a key: everything but the key itself."""

    id: str
    caller: Caller
    digest: bytes
    last_four: str
    rates: Rates
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    def lives(self, now: datetime | None = None) -> bool:
        """Return whether the key is valid, by default now."""
        return self.revoked is None and (self.expires is None or (now or datetime.now(UTC)) < self.expires)

    def ended(self) -> "Key":
        """Return the key as it is after its revocation."""
        return replace(self, revoked=datetime.now(UTC).replace(microsecond=0))

    @property
    def row(self) -> tuple[Any, ...]:
        """Return the key as a row of texts, bytes and numbers, in the order of `COLUMNS`."""
        groups = self.caller.groups
        return (
            self.id, self.caller.name, self.digest, self.last_four,
            json.dumps(None if groups is None else sorted(groups)), json.dumps(sorted(self.caller.permissions)),
            self.rates.requests, self.rates.calls, _text(self.created), _text(self.expires), _text(self.revoked),
        )  # fmt: skip

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> "Key":
        """Return the key of a row. Raises ValueError if the row is damaged."""
        id, name, digest, last_four, groups, permissions, requests, calls, created, expires, revoked = row
        seen = json.loads(groups)
        caller = Caller(name, None if seen is None else frozenset(seen), frozenset(json.loads(permissions)))
        rates = AS_SET if requests is None and calls is None else Rates(requests, calls)
        return cls(
            id, caller, digest, last_four, rates, datetime.fromisoformat(created), _time(expires), _time(revoked)
        )


COLUMNS = "id, name, digest, last_four, groups, powers, requests, calls, created, expires, revoked"


def looks_like_key(text: str) -> bool:
    """Return whether a text has the form of a key."""
    return _KEY.fullmatch(text) is not None


def new(caller: Caller, rates: Rates = AS_SET, expires: datetime | None = None) -> tuple[Key, str]:
    """Return a new key with its text, which is stored nowhere. Raises KeyTrouble."""
    if not _NAME.fullmatch(caller.name) or caller.name == EVERYONE.name:
        raise KeyTrouble(
            f"{caller.name[:64]!r} is no name for a key; allowed are up to 64 letters, digits and . _ @ -, "
            f"and not the word {EVERYONE.name}"
        )
    now = datetime.now(UTC).replace(microsecond=0)
    if expires is not None:
        expires = expires.replace(microsecond=0)
        if expires <= now:
            raise KeyTrouble("the key would expire before it is made")
    secret = secrets.token_urlsafe(32)
    id = secrets.token_hex(4)
    text = f"{PREFIX}_{id}_{secret}"
    return Key(id, caller, sha256(text.encode()).digest(), secret[-4:], rates, now, expires, None), text


def found(keys: Iterable[Key], which: str) -> Key:
    """Return the key of an id or a name that is not revoked. Raises KeyTrouble if there is none."""
    live = [key for key in keys if key.revoked is None]
    for key in (*(key for key in live if key.id == which), *(key for key in live if key.caller.name == which)):
        return key
    raise KeyTrouble(f"there is no key {which[:64]!r}, or it is revoked; `keys list` shows them")


def merged(known: Iterable[Key], others: Iterable[Key], *, unique: bool = True) -> list[Key]:
    """Return the keys that are new or newly revoked after `others` join the `known` ones. A revocation always counts.

    If names must be `unique`, raises KeyTrouble if two valid keys would have one.
    """
    keys = {key.id: key for key in known}
    changed = {}
    for other in others:
        key = keys.get(other.id)
        if key is None or (key.revoked is None and other.revoked is not None):
            keys[other.id] = changed[other.id] = other
    names: dict[str, str] = {}
    for key in keys.values():
        if unique and key.revoked is None and names.setdefault(key.caller.name, key.id) != key.id:
            raise KeyTrouble(
                f"two keys are named {key.caller.name}: {names[key.caller.name]} and {key.id}; revoke one of them first"
            )
    return list(changed.values())


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
