"""Say what shows that the sum of some rows is still right: the calls that read them, and their cache entries."""

import datetime
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from resolvers.key_rows import KeyRows
from upstream.call import Answer, Call, ReadEntry
from upstream.reports.table import GAME_LOGS
from upstream.values.days import Piece


@dataclass(frozen=True, slots=True)
class ReadCall:
    """A call that rows were read by, the entries of the cache that have them, and the number of rows."""

    call: Call
    entries: tuple[ReadEntry, ...]
    rows: int = 0


class KeptSum(Protocol):
    """A sum of rows that are in the cache. Never change it. `times` say when the rows were read: the first, the last,
    and until when all of them are trusted.
    """

    @property
    def sums(self) -> Any:
        """Return the sum."""

    @property
    def calls(self) -> Sequence[ReadCall]:
        """Return the calls that its rows were read by."""

    @property
    def times(self) -> tuple[datetime.datetime, ...]:
        """Return the times."""


class SumKeeper(Protocol):
    """Keep sums as long as the rows in the cache are the same."""

    async def find(self, place: Hashable, not_before: datetime.datetime | None) -> KeptSum | None:
        """Return the sum of a place if exactly its entries would be read now, none older than `not_before`."""

    def keep(self, place: Hashable, sums: Any, calls: Sequence[ReadCall], size: int) -> None:
        """Keep a sum of about so many bytes."""


def calls_by_day(found: Sequence[KeyRows | Exception], pieces: Sequence[Piece]) -> dict[Piece, list[ReadCall]] | None:
    """Return by day the calls that all the rows were read by; None if other things decide about the rows, too."""
    answers: dict[int, Answer[Any]] = {}
    whole = True
    for rows in found:
        if isinstance(rows, Exception) or rows.answer is None or rows.answer.entries is None:
            return None
        answers[id(rows.answer)] = rows.answer
        whole = whole and len(rows) == len(rows.answer.rows)
    sources: dict[Piece, list[ReadCall]] = {piece: [] for piece in pieces}
    for answer in answers.values():
        call = answer.call
        if call is None:
            return None
        # The codes of all users may decide to whom a row belongs (C27).
        if call.report is GAME_LOGS and not whole and (len(answers) > 1 or len(found) == 1):
            return None
        by_day = {day: (key, day, value) for key, day, value in answer.entries or ()}
        for piece in pieces:
            if (entry := by_day.get(piece.day)) is None:
                return None
            of_day = Call(call.report, call.params, piece.interval, call.agent)
            sources[piece].append(ReadCall(of_day, (entry,)))
    return sources
