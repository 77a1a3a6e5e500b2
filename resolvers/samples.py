"""What calls brought last: the rows that stand for those that a call is going to bring, while it is only predicted."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from upstream.call import Call
from upstream.decoding.decode import head, need
from upstream.errors import Malformed, NotFound
from upstream.reports.rows import Row

# Rows are kept as they are, not copied; what the cache drops may live on here, so there is an end to it.
MOST_ROWS = 20_000
MOST_OF_ONE = 5_000
MOST_CALLS = 20_000


_Place = tuple[Hashable, Call]


@dataclass(frozen=True, slots=True)
class Sample:
    """What a call brought: its first rows and their number, or that the upstream knows no such entity."""

    call: Call
    rows: Sequence[Row]
    count: int
    unknown: NotFound | None = None


@dataclass(slots=True)
class Samples:
    """The last answers, in bounds; one for all operations of a server. Nothing but predictions is made from them.

    `scope` says whose they are where callers see different rows: nobody's prediction is made from those of another.
    """

    _calls: OrderedDict[_Place, Sample] = field(default_factory=OrderedDict)
    _latest: dict[Hashable, _Place] = field(default_factory=dict)
    _rows: int = 0

    def keep(self, call: Call, rows: Sequence[Row], unknown: NotFound | None = None, scope: Hashable = None) -> None:
        """Take in an answer."""
        key = scope, call
        before = self._calls.pop(key, None)
        kept = rows if len(rows) <= MOST_OF_ONE else head(rows, MOST_OF_ONE)
        self._calls[key] = Sample(call, kept, len(rows), unknown)
        self._rows += len(kept) - (len(before.rows) if before is not None else 0)
        for place in _places(call, scope):
            if unknown is None:
                self._latest[place] = key
            elif before is not None and self._latest.get(place) == key:
                del self._latest[place]
        while self._rows > MOST_ROWS or len(self._calls) > MOST_CALLS:
            self._drop(next(iter(self._calls)))

    def of(self, call: Call, scope: Hashable = None) -> Sample | None:
        """What this very call brought last."""
        return self._readable(self._calls.get((scope, call)))

    def like(self, call: Call, scope: Hashable = None) -> Sample | None:
        """What the call that is most like it brought: of its scope in another period, or else of such a scope."""
        for place in _places(call, scope):
            latest = self._latest.get(place)
            if latest is not None:
                return self._readable(self._calls[latest])
        return None

    def _readable(self, sample: Sample | None) -> Sample | None:
        """The sample with all its columns; None if one of them is not what it should be, which nobody noticed yet."""
        if sample is not None:
            try:
                need(sample.rows, None)
            except Malformed:
                return None
        return sample

    def _drop(self, key: _Place) -> None:
        sample = self._calls.pop(key, None)
        if sample is None:
            return
        self._rows -= len(sample.rows)
        scope, call = key
        for place in _places(call, scope):
            if self._latest.get(place) == key:
                del self._latest[place]


def _places(call: Call, scope: Hashable) -> tuple[Hashable, Hashable]:
    code = call.report.code
    return (scope, code, call.params, call.agent), (scope, code, tuple([name for name, _ in call.params]))
