"""Read the address of a Redis strictly: refuse an ambiguous address, and never quote it in an error.

A slash in a password ends the name of the host early: the client would connect to another host, or quote a part of the
password as a wrong port.
"""

import re
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool

_DATABASE = re.compile(r"(/[0-9]{0,5})?")
_WRITTEN = "of which / ? # @ must be written as %2F %3F %23 %40"


def check(address: str) -> None:
    """Raise ValueError for an address that is wrong, or can be read in two ways. The text does not quote it."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  # raises for a port that is no number
    except ValueError:
        raise ValueError(f"holds a port that is no number, or a password {_WRITTEN}") from None
    rest = parts.path + parts.query + parts.fragment
    if parts.fragment or ("@" in rest and (parts.scheme != "unix" or parts.netloc)):
        raise ValueError(f"holds a password {_WRITTEN}")
    if parts.scheme != "unix" and not _DATABASE.fullmatch(parts.path):
        raise ValueError("names a database that is no number")
    try:
        pool: ConnectionPool = ConnectionPool.from_url(address)
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing yet
    except Exception:  # the client's own message may quote the address
        raise ValueError("has an option that the client of Redis does not know, or a wrong value of one") from None
