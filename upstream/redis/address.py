"""Read the address of a Redis strictly: refuse an ambiguous address, and never quote it in an error.

A slash in a password ends the name of the host early: the client would connect to another host, or quote a part of the
password as a wrong port.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import parse_url

_SCHEME = re.compile(r"(?:redis|valkey)(s?)(?:\+(sentinel|cluster))?|unix")
_DATABASE = re.compile(r"(/[0-9]{0,5})?")
_MASTER = re.compile(r"/([^/]+)((?:/[0-9]{1,5})?)/?")
_WRITTEN = "of which / ? # @ must be written as %2F %3F %23 %40"
_UNKNOWN = "has an option that the client of Redis does not know, or a wrong value of one"
_PORT, _SENTINEL_PORT = 6379, 26379


class RedisKind(Enum):
    """The kinds of a Redis: one server, one that Sentinels watch, or a Cluster."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """An address, in parts. `nodes` are the Sentinels or nodes of a Cluster; `options` are those of connections."""

    kind: RedisKind
    tls: bool
    nodes: tuple[tuple[str, int], ...] = ()
    check_hostname: bool = True
    master: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    sentinel_options: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<RedisAddress {self.kind.value}>"  # the options hold passwords

    def without_secrets(self, text: str) -> str:
        """Return a text in which the passwords of the address are replaced."""
        secrets = {each["password"] for each in (self.options, self.sentinel_options) if each.get("password")}
        for secret in sorted(secrets, key=len, reverse=True):  # one may contain the other
            text = text.replace(secret, "***")
        return text


def is_redis(address: str) -> bool:
    """Return whether an address begins like one of a Redis."""
    scheme, found, _ = address.partition("://")
    return bool(found) and _SCHEME.fullmatch(scheme) is not None


def check(address: str) -> None:
    """Raise ValueError for an address that is wrong, or can be read in two ways. The text does not quote it."""
    parse(address)


def parse(address: str) -> RedisAddress:
    """Return the parts of an address. Raises ValueError, whose text does not quote it."""
    try:
        parts = urlsplit(address)
        if "," not in parts.netloc:
            parts.port  # noqa: B018  # raises for a port that is no number
    except ValueError:
        raise ValueError(f"holds a port that is no number, or a password {_WRITTEN}") from None
    scheme = _SCHEME.fullmatch(parts.scheme)
    if scheme is None:
        raise ValueError("is no address of a Redis")
    rest = parts.path + parts.query + parts.fragment
    if parts.fragment or ("@" in rest and (parts.scheme != "unix" or parts.netloc)):
        raise ValueError(f"holds a password {_WRITTEN}")
    if parts.scheme == "unix":
        return RedisAddress(RedisKind.SINGLE, False, options=_options(address))
    kind = RedisKind(scheme[2] or "single")
    user, _, hosts = parts.netloc.rpartition("@")
    nodes = _nodes(hosts, _SENTINEL_PORT if kind is RedisKind.SENTINEL else _PORT)
    master, database = "", parts.path
    if kind is RedisKind.SENTINEL:
        found = _MASTER.fullmatch(parts.path)
        if found is None:
            raise ValueError("does not name the master after the Sentinels: host:port,host:port/name-of-the-master/0")
        master, database = unquote(found[1]), found[2]
    elif kind is RedisKind.SINGLE and len(nodes) > 1:
        raise ValueError("names several hosts: begin it with redis+sentinel:// or redis+cluster://")
    if not _DATABASE.fullmatch(database):
        raise ValueError("names a database that is no number")
    if kind is RedisKind.CLUSTER and database.strip("/0"):
        raise ValueError("names a database, but a Cluster has only database 0")
    first = hosts.split(",")[0]
    options = _options(f"redis{scheme[1]}://{user}{'@' if user else ''}{first}{database}?{parts.query}")
    sentinel_options = {
        name: options.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in options
    }
    if sentinel_options and kind is not RedisKind.SENTINEL:
        raise ValueError(_UNKNOWN)
    options.pop("connection_class", None)
    check_hostname = str(options.pop("ssl_check_hostname", True)).lower() not in ("false", "no", "0")
    if any(name.startswith("ssl_") for name in options):
        raise ValueError("names files or rules of TLS: set CACHE_CA_FILE, CACHE_CLIENT_CERT_FILE and so on instead")
    if kind is not RedisKind.SINGLE:
        options.pop("host", None)
        options.pop("port", None)
    return RedisAddress(kind, bool(scheme[1]), nodes, check_hostname, master, options, sentinel_options)


def _nodes(hosts: str, port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for host in hosts.split(","):
        try:
            parts = urlsplit(f"//{host}")
            found.append((parts.hostname or "", port if parts.port is None else parts.port))
        except ValueError:
            raise ValueError(f"holds a port that is no number, or a password {_WRITTEN}") from None
        if len(hosts) > len(host) and not parts.hostname:
            raise ValueError("names a host that is empty")
    return tuple((host or "localhost", port) for host, port in found)


def _options(single: str) -> dict[str, Any]:
    """Return the options of connections that the address of one server names. Raises ValueError."""
    try:
        options: dict[str, Any] = dict(parse_url(single))
        known = {name: value for name, value in options.items() if not name.startswith("sentinel_")}
        pool: ConnectionPool = ConnectionPool(**known)
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing yet
    except Exception:  # the client's own message may quote the address
        raise ValueError(_UNKNOWN) from None
    return options
