"""Describe the health of the upstreams and of the cache, in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UpstreamHealth:
    """One upstream, or one agent of it.

    `sandbox` says whether its figures are made up. `wrong` is None if nothing is. `age` is how many seconds ago this
    was found; None for an upstream that is not configured.
    """

    name: str
    sandbox: bool
    wrong: str | None
    age: float | None


@dataclass(frozen=True, slots=True)
class CacheHealth:
    """The days cache: where it stores days, how many entries and bytes, how many bytes at most, what is wrong."""

    store: str
    entries: int = 0
    bytes: int = 0
    limit: int | None = None
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """All upstreams and the cache."""

    upstreams: Sequence[UpstreamHealth] = ()
    cache: CacheHealth = CacheHealth("off")
