"""Failed attempts to authenticate, by the address that they come from."""

import ipaddress
import math
import time

from engine.bounded_cache import BoundedCache

AT_ONCE = 20
SECONDS_EACH = 3.0
MOST_ADDRESSES = 10_000


class Attempts:
    """A token bucket of attempts for each address. A failure takes one attempt, and time gives it back.

    IPv6 addresses count by their /64 network, which belongs to one customer. The addresses that were not seen for the
    longest time are dropped first.
    """

    def __init__(self, at_once: int = AT_ONCE, seconds_each: float = SECONDS_EACH, most: int = MOST_ADDRESSES) -> None:
        self._at_once = at_once
        self._each = seconds_each
        # Per network: the attempts that are left, and the time of this count.
        self._buckets: BoundedCache[str, tuple[float, float]] = BoundedCache(most)

    def failed(self, address: str) -> None:
        """Count a failure."""
        network = _network(address)
        self._buckets.keep(network, (max(self._left(network) - 1, 0.0), time.monotonic()))

    def wait(self, address: str) -> int:
        """Return the seconds until the next attempt is allowed; 0 if it is allowed now."""
        lacking = 1 - self._left(_network(address))
        return math.ceil(lacking * self._each) if lacking > 0 else 0

    def _left(self, network: str) -> float:
        left, at = self._buckets.get(network) or (float(self._at_once), 0.0)
        return min(self._at_once, left + (time.monotonic() - at) / self._each)


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))
    return address
