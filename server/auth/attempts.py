"""Failed attempts to get in, by the address they come from: a few at once, then one in a while."""

import ipaddress
import math
import time
from collections import OrderedDict

AT_ONCE = 20
SECONDS_EACH = 3.0
MOST_ADDRESSES = 10_000


class Attempts:
    """A bucket of attempts for each address: a failure takes one, time gives them back.

    IPv6 addresses count by their /64, which is one customer's. The addresses longest unheard of are forgotten first.
    """

    def __init__(self, at_once: int = AT_ONCE, seconds_each: float = SECONDS_EACH, most: int = MOST_ADDRESSES) -> None:
        self._at_once = at_once
        self._each = seconds_each
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, and when that was so

    def failed(self, address: str) -> None:
        """Note a failure."""
        network = _network(address)
        self._buckets[network] = (max(self._left(network) - 1, 0.0), time.monotonic())
        self._buckets.move_to_end(network)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)

    def wait(self, address: str) -> int:
        """Seconds until another attempt may be made; 0: now."""
        lacking = 1 - self._left(_network(address))
        return math.ceil(lacking * self._each) if lacking > 0 else 0

    def _left(self, network: str) -> float:
        left, at = self._buckets.get(network, (float(self._at_once), 0.0))
        return min(self._at_once, left + (time.monotonic() - at) / self._each)


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))
    return address
