"""Names and addresses of hosts, in the header `Host` and in the settings."""

import ipaddress
import re

# A name or an address, and a port.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?", re.ASCII)


def name_of(header: str) -> str | None:
    """Return the name or address of a `Host` in lower case, without port and brackets; None if it is invalid."""
    found = _HOST.fullmatch(header.strip())
    return None if found is None else plain(found[1])


def is_loopback(host: str) -> bool:
    """Return whether a name or an address means this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def plain(host: str) -> str:
    """Return a name or an address in lower case, without brackets and without a final dot."""
    return host.strip("[]").rstrip(".").lower()
