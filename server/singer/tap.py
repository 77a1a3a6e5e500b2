"""Run the tap: read the selected streams day by day, and write Singer's messages.

A day is one read: its records are written after all of its rows are there. A STATE follows, by which a run that was
stopped continues where it was. A day that is read again has the same keys, so its records replace the earlier ones.
Records for rows that a day does not have any more say so in `loaded_gone`. A stream is not read if a column has another
type than in an earlier run.
"""

import datetime
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import IO, Any

import orjson
import pyarrow as pa
import structlog

from server.singer.bookmark import ALL, Bookmark
from server.singer.catalog import DAY, DELETED, ENTITY, GONE, ROW, TapStream
from server.singer.config import TapConfig, WrongTap
from server.tables.arrow import checked
from server.tables.config import TablesConfig
from server.tables.reading import Run, TableDay, TableFailed, one_day
from server.tables.table import Tables
from server.tables.writers.text import JsonLines
from upstream.values import interval
from upstream.values.days import Piece, pieces

# A STATE follows after so many records at the latest, once their day is complete.
STATE_RECORDS = 10_000
# The codes of failures that have nothing to do with the day.
REFUSALS = frozenset({"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "NOT_FOUND", "UNAUTHENTICATED", "FORBIDDEN"})

log = structlog.get_logger(__name__)


def streams_of(tables: Tables, config: TapConfig | None) -> list[TapStream]:
    """Return the streams that a configuration can read; all tables without one. Raises WrongTap."""
    if config is not None:
        unknown = sorted((config.tables or frozenset()) - tables.keys())
        if unknown:
            raise WrongTap(f"there is no table {unknown[0]!r}; there are {', '.join(tables)}")
    return [TapStream(table, table.columns) for table in tables.values() if config is None or config.entities_of(table)]


@dataclass(slots=True)
class TapRun:
    """One run: reads the streams, and writes messages to `sink`. `state` is changed as days are read."""

    config: TapConfig
    tables: TablesConfig
    run: Run
    sink: IO[bytes]
    state: dict[str, Any]
    failures: list[str] = field(default_factory=list)
    _unnoted: int = 0
    _unnoted_bytes: int = 0

    async def sync(self, streams: list[TapStream]) -> None:
        """Read the streams one after the other. `failures` has a line for each day that could not be read."""
        zone = str(self.tables.zone)
        if self.state.setdefault("timezone", zone) != zone:
            raise WrongTap(f"the state has days of the zone {self.state['timezone']}; the zone is {zone} now")
        for stream in streams:
            if not self._fits(stream):
                continue
            self._write(stream.message())
            bookmarks = self.state.setdefault("bookmarks", {}).setdefault(stream.name, {})
            for entity, variables in self.config.entities_of(stream.table).items():
                await self._entity(stream, entity, variables, Bookmark(bookmarks.setdefault(entity, {})))
                self._note_state(at_once=False)
            self._note_state()

    def _fits(self, stream: TapStream) -> bool:
        """Return whether the columns of a stream have the types of earlier runs."""
        known: dict[str, str] = self.state.setdefault("columns", {}).setdefault(stream.name, {})
        for name, kind in stream.column_types.items():
            if (before := known.setdefault(name, kind)) != kind:
                self.failures.append(
                    f"{stream.name}: the column {name} was {before} and is {kind} now: load into another table, with a "
                    "new state"
                )
                log.warning("a column has another type", stream=stream.name, column=name, was=before, now=kind)
                return False
        return True

    async def _entity(self, stream: TapStream, entity: str, variables: Mapping[str, Any], bookmark: Bookmark) -> None:
        for day, again in self._days(stream, bookmark):
            name = ALL if day is None else day.isoformat()
            began = datetime.datetime.now(datetime.UTC)
            try:
                read = await one_day(
                    stream.table, variables, self._piece(day), self.run, checked, began if again else None
                )
                # If the upstream is out of reach, rows that were read before replace those of a closed day.
                if again and read.before(began):
                    raise TableFailed("UPSTREAM_UNAVAILABLE", "The rows could not be read anew.", day)
            except TableFailed as failure:
                self._fail(stream, entity, bookmark, failure, day)
                if failure.code in REFUSALS:
                    return
                continue
            self._records(stream, entity, day, read, bookmark.note(name, read.rows.num_rows))
            if self._unnoted >= STATE_RECORDS:
                self._note_state(at_once=False)
        bookmark.failed.pop(ALL, None)

    def _days(self, stream: TapStream, bookmark: Bookmark) -> Iterator[tuple[datetime.date | None, bool]]:
        if not stream.table.timed:
            yield None, True
            return
        config, zone, now = self.config, self.tables.zone, self.tables.now()
        today = now.astimezone(zone).date()
        last = today if config.last is None else min(config.last, today)
        closed_until = self.tables.trust.closed_until(now, zone)
        yield from bookmark.days(config.first, last, closed_until, config.lookback_days, config.refresh)

    def _piece(self, day: datetime.date | None) -> Piece | None:
        zone = self.tables.zone
        return None if day is None else pieces(interval.dates(day, day, zone), zone)[0]

    def _fail(
        self, stream: TapStream, entity: str, bookmark: Bookmark, failure: TableFailed, day: datetime.date | None
    ) -> None:
        name = ALL if day is None or failure.code in REFUSALS else day.isoformat()
        bookmark.failed[name] = f"{failure.code}: {failure.message}"
        self.failures.append(f"{stream.name}, {entity}, {name}: {failure.message} ({failure.code})")
        log.warning("a day could not be read", stream=stream.name, entity=entity, day=name, code=failure.code)

    def _records(self, stream: TapStream, entity: str, day: datetime.date | None, read: TableDay, before: int) -> None:
        """Write the records of a part, and those that say that its last rows are not there any more."""
        keys = {ENTITY: entity, **({} if day is None else {DAY: day.isoformat()})}
        own = orjson.dumps({**keys, GONE: False, DELETED: None})[1:-1]
        moments = [reading.read_at for reading in read.readings]
        extracted = min(moments, default=self.tables.now()).isoformat()
        head = b'{"type":"RECORD","stream":%b,"record":' % orjson.dumps(stream.name)
        tail = b',"time_extracted":%b}\n' % orjson.dumps(extracted)
        write = self.sink.write
        for number, line in enumerate(_lines(stream, read.rows)):
            self._unnoted_bytes += write(b'%b{%b%b,"%b":%d}%b' % (head, line, own, ROW.encode(), number, tail))
        empty = dict.fromkeys(column.name for column in stream.columns)
        gone = {**empty, **keys, GONE: True, DELETED: self.tables.now().isoformat()}
        for number in range(read.rows.num_rows, before):
            write(b"%b%b%b" % (head, orjson.dumps({**gone, ROW: number}), tail))
        self._unnoted += max(read.rows.num_rows, before)

    def _note_state(self, *, at_once: bool = True) -> None:
        """Write a STATE. If it need not be `at_once`, do so only when it is shorter than the records since the last."""
        line = orjson.dumps({"type": "STATE", "value": self.state}) + b"\n"
        if at_once or len(line) <= self._unnoted_bytes:
            self.sink.write(line)
            self.sink.flush()
            self._unnoted = self._unnoted_bytes = 0

    def _write(self, message: Mapping[str, Any]) -> None:
        self.sink.write(orjson.dumps(message) + b"\n")


def _lines(stream: TapStream, rows: pa.RecordBatch) -> Iterator[bytes]:
    """Yield the selected columns of each row as JSON, without braces, with a comma at the end."""
    if not stream.columns:
        yield from repeat(b"", rows.num_rows)
        return
    written = io.BytesIO()
    columns = rows.select([column.name for column in stream.columns])
    JsonLines(replace(stream.table, columns=stream.columns), written).write(columns)
    for line in written.getvalue().splitlines():
        yield line[1:-1] + b","
