"""Let one of the servers that share a Redis compare the reports in each round, and give its result to the others."""

import datetime
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from server.gateway import Gateway
from server.reconcile.scheduled_run import ScheduledRun
from upstream.caching.seal import opened, seal
from upstream.values.days import microseconds

if TYPE_CHECKING:  # the library of Redis takes long to import, and most processes need none
    from upstream.redis.leases import Lease, Leases

# A server that waits for the result looks for it so often.
LOOK_SECONDS = 2.0


class SharedRounds:
    """The rounds of the servers of a Redis. `name` returns the name of comparisons that are the same."""

    def __init__(self, leases: "Leases", name: Callable[[], str]) -> None:
        self._leases = leases
        self._name = name

    @classmethod
    def of(cls, gateway: Gateway, days: int) -> "SharedRounds | None":
        """Return the rounds of a gateway; None without a Redis."""
        leases = gateway.leases(LOOK_SECONDS)
        # The number is the version of the form of results.
        return None if leases is None else cls(leases, lambda: f"reconcile:1:{gateway.origin()}:{days}")

    async def take(self, since: datetime.datetime) -> "Lease | ScheduledRun | None":
        """Return the comparison that another server has begun at this moment or later, when it has ended.

        Return the lease of the next one, if there is none: this server compares. If the holder of the lease dies, a
        server that waits gets it. None without an answer of Redis: compare without a lease.
        """
        from upstream.redis.leases import Lease, Result  # as in `open_store`

        name = self._name()
        found = await self._leases.take(name, _now, began_from=microseconds(since))
        if isinstance(found, Lease):
            return found
        value = opened(name.encode(), found.value) if isinstance(found, Result) else None
        try:
            return None if value is None else _decoder.decode(value)
        except msgspec.MsgspecError:
            return None

    def done(self, lease: "Lease", run: ScheduledRun, seconds: float) -> None:
        """Give a comparison to the other servers. It stays for so many seconds."""
        lease.done(seal(self._name().encode(), msgspec.msgpack.encode(run)), _now(), seconds)

    async def aclose(self) -> None:
        """Wait until the result is written."""
        await self._leases.aclose()


def _counter(_: type, value: Any) -> Any:
    return Counter(value)


_decoder = msgspec.msgpack.Decoder(ScheduledRun, dec_hook=_counter)


def _now() -> int:
    return microseconds(datetime.datetime.now(datetime.UTC))
