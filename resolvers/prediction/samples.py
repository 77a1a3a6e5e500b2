"""Sample rows of calls. They represent the rows that a call will return, as long as the call is only predicted."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from upstream.call import Answer, Call
from upstream.errors import Malformed, NotFound
from upstream.reports.rows import Row

# Rows that the cache dropped may be stored here, so their number is limited. Only the first rows of a longer answer are
# stored, as copies.
MOST_ROWS = 20_000
MOST_OF_ONE = 5_000
MOST_CALLS = 20_000


_Place = tuple[Hashable, Hashable]


@dataclass(slots=True)
class Sample:
    """The first rows of a call and the number of all its rows, or the error that there is no such entity."""

    call: Call
    answer: Answer[Any]
    count: int
    unknown: NotFound | None = None

    @property
    def rows(self) -> Sequence[Row]:
        """Return the first rows."""
        return self.answer.rows


@dataclass(slots=True)
class Samples:
    """The last answers, up to a limit. A server has one object for all operations. Only predictions use it.

    `scope` separates callers that see different rows: a prediction never uses rows of another scope.
    """

    _calls: OrderedDict[_Place, Sample] = field(default_factory=OrderedDict)
    _latest: dict[Hashable, _Place] = field(default_factory=dict)
    _rows: int = 0

    def keep(self, call: Call, answer: Answer[Any], unknown: NotFound | None = None, scope: Hashable = None) -> None:
        """Keep an answer."""
        key = scope, call.key
        before = self._calls.pop(key, None)
        count = len(answer.rows)
        stored = Answer(answer.head(MOST_OF_ONE)) if count > MOST_OF_ONE or answer.excerpt else answer
        self._calls[key] = Sample(call, stored, count, unknown)
        self._rows += len(stored.rows) - (len(before.rows) if before is not None else 0)
        for place in _places(call, scope):
            if unknown is None:
                self._latest[place] = key
            elif before is not None and self._latest.get(place) == key:
                del self._latest[place]
        while self._rows > MOST_ROWS or len(self._calls) > MOST_CALLS:
            self._drop(next(iter(self._calls)))

    def of(self, call: Call, scope: Hashable = None) -> Sample | None:
        """Return the last answer of exactly this call."""
        return self._readable(self._calls.get((scope, call.key)))

    def has(self, call: Call, scope: Hashable = None) -> bool:
        """Return whether there is an answer of exactly this call."""
        return (scope, call.key) in self._calls

    def like(self, call: Call, scope: Hashable = None) -> Sample | None:
        """Return the answer of the most similar call: these parameters in another period, or others of these names."""
        for place in _places(call, scope):
            latest = self._latest.get(place)
            if latest is not None:
                return self._readable(self._calls[latest])
        return None

    def _readable(self, sample: Sample | None) -> Sample | None:
        """Return the sample with all its columns; None if one of them cannot be read."""
        if sample is not None:
            try:
                sample.answer.read(None)
            except Malformed:
                return None
        return sample

    def _drop(self, key: _Place) -> None:
        sample = self._calls.pop(key, None)
        if sample is None:
            return
        self._rows -= len(sample.rows)
        for place in _places(sample.call, key[0]):
            if self._latest.get(place) == key:
                del self._latest[place]


def _places(call: Call, scope: Hashable) -> tuple[Hashable, Hashable]:
    code = call.report.code
    return (scope, code, call.params, call.agent), (scope, code, tuple([name for name, _ in call.params]))
