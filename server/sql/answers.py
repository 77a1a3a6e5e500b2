"""Run statements for a caller: check them, give the process the parts of tables, and return its results."""

import asyncio
import base64
import datetime
import os
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from strawberry import Schema

from resolvers.caller import Caller
from server.http.request_error import RequestError
from server.http.request_facts import current
from server.sql import explanation, statement
from server.sql.config import SqlConfig, StatementCounts
from server.sql.explanation import PARQUET, quoted
from server.sql.parts import SqlPart, TableParts, parts_of
from server.sql.process import ResultColumn, Workers
from server.sql.statement import SqlStatement
from server.sql.table import SqlTable, sql_tables
from server.tables.answers import TRIES, TableAnswers, TableRequest, crowded
from server.tables.arrow import data_type
from server.tables.spool.snapshot import Snapshot
from server.tables.table import Tables, ValueKind

THREADS = 2


@dataclass(frozen=True, slots=True)
class SqlQuestion:
    """Hold a checked statement, the parts of its tables, and its caller. No row was read before `not_before`."""

    statement: SqlStatement
    scans: Sequence[TableParts]
    caller: Caller
    not_before: datetime.datetime | None = None

    def files(self, scan: int, columns: Iterable[str]) -> Sequence[TableRequest]:
        """Return the requests for all parts of a table, with the columns that the statement uses."""
        used = frozenset(columns)
        return [self.file(scan, part, used | part.keys.keys()) for part in self.scans[scan].parts]

    def file(self, scan: int, part: SqlPart, columns: Iterable[str]) -> TableRequest:
        """Return the request for a part of a table, with these columns."""
        table = self.scans[scan].source.reading(columns)
        return TableRequest(table, part.variables, part.window, None, self.caller, self.not_before)


@dataclass(frozen=True, slots=True)
class SqlResult:
    """A result: its columns, its schema in Arrow, and its batches. It must be closed."""

    columns: Sequence[ResultColumn]
    schema: pa.Schema
    batches: AsyncGenerator[pa.RecordBatch]


class SqlAnswers:
    """Run statements over the tables of the graph."""

    def __init__(
        self,
        tables: Tables,
        schema: Schema,
        answers: TableAnswers,
        config: SqlConfig,
        counts: StatementCounts | None = None,
    ) -> None:
        every = sql_tables(tables, schema)
        self.tables = [table for table in every if not config.saved_only or table.schema == "saved"]
        self._answers = answers
        self._config = config
        self._counts = counts if counts is not None else StatementCounts()
        self._workers = Workers(config.statements, self._counts)

    async def question(self, text: str, caller: Caller, not_before: datetime.datetime | None = None) -> SqlQuestion:
        """Return the checked statement of a caller. Raises RequestError."""
        return await asyncio.to_thread(self._question, text, caller, not_before)

    def _question(self, text: str, caller: Caller, not_before: datetime.datetime | None) -> SqlQuestion:
        now, zone = self._answers.now(), self._answers.zone
        found = statement.read(text, self.tables, now, zone)
        return SqlQuestion(found, [parts_of(scan, table, now, zone) for scan, table in found.scans], caller, not_before)

    async def result(self, question: SqlQuestion) -> SqlResult:
        """Return the result as soon as its columns are known. Raises RequestError."""
        reader = _PartReader(question, self._answers)
        counts, facts, returned = self._counts, current(), 0
        counts.begun += 1

        async def close() -> None:
            await rows.aclose()
            await reader.aclose()

        rows = self._workers.run(self._task(question), reader.open, self._config.seconds)
        try:
            columns = await anext(rows)
            schema = await anext(rows)
        except BaseException:
            await close()
            raise

        async def batches() -> AsyncGenerator[pa.RecordBatch]:
            nonlocal returned
            try:
                async for batch in rows:
                    returned += batch.num_rows
                    counts.rows += batch.num_rows
                    yield batch
            finally:
                if facts is not None:
                    facts.line["rows"] = returned
                await close()

        return SqlResult(columns, schema, batches())

    async def explanation(self, question: SqlQuestion) -> dict[str, Any]:
        """Return what the statement would read, and by which upstream calls. It reads no rows. Raises RequestError."""
        names = [scan.name for scan, _ in question.statement.scans]
        tables = [parts.table for parts in question.scans]
        task = self._task(question) | {
            "text": f"EXPLAIN (FORMAT JSON) {question.statement.text}",
            "catalog": [*explanation.statements(names, tables), *self._described(question)],
            "scans": [],
        }
        rows = self._workers.run(task, _PartReader(question, self._answers).open, self._config.seconds)
        try:
            plan = [batch async for batch in rows if isinstance(batch, pa.RecordBatch)]
        finally:
            await rows.aclose()
        uses = explanation.uses(plan[0].column(1)[0].as_py(), names, tables)
        files = [question.files(use.scan, use.columns) for use in uses]
        return await explanation.explained(uses, question.scans, files, self._answers)

    def _task(self, question: SqlQuestion) -> dict[str, Any]:
        """Return what the process gets."""
        return {
            "text": question.statement.text,
            "scans": [
                {
                    "name": scan.name,
                    "schema": _schema(table.table),
                    "keys": [dict(part.keys) for part in table.parts],
                }
                for (scan, _), table in zip(question.statement.scans, question.scans, strict=True)
            ],
            "catalog": self._described(question),
            "zone": str(self._answers.zone),
            "mebibytes": self._config.mebibytes,
            "seconds": self._config.seconds,
            "threads": THREADS,
        }

    def _described(self, question: SqlQuestion) -> list[str]:
        return self.catalog() if question.statement.catalog else []

    def catalog(self) -> list[str]:
        """Return the statements that describe all tables, with the descriptions of the graph as comments."""
        found = ["CREATE SCHEMA saved"]
        for table in self.tables:
            name = f"{table.schema}.{quoted(table.name)}"
            columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in table.columns.values())
            found.append(f"CREATE TABLE {name} ({columns})")
            found.append(f"COMMENT ON TABLE {name} IS {_text(table.description)}")
            found += [
                f"COMMENT ON COLUMN {name}.{quoted(column.name)} IS {_text(column.description)}"
                for column in table.columns.values()
            ]
        return found

    async def aclose(self) -> None:
        """End all processes."""
        await self._workers.aclose()


class _PartReader:
    """Open the files with the parts of a statement. The next part is read while the process uses this one."""

    def __init__(self, question: SqlQuestion, answers: TableAnswers) -> None:
        self._question = question
        self._answers = answers
        self._ahead: dict[int, tuple[int, frozenset[str], asyncio.Task[Snapshot]]] = {}

    async def open(self, scan: int, part: int, columns: Sequence[str]) -> int:
        """Return the descriptor of the file with a part. Raises RequestError."""
        wanted = frozenset(columns)
        known = self._ahead.pop(scan, None)
        if known is not None and known[:2] != (part, wanted):
            await _dropped(known[2])
            known = None
        for _ in range(TRIES):
            snapshot = await (known[2] if known is not None else self._snapshot(scan, part, wanted))
            try:
                descriptor = os.open(snapshot.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:  # it gave way to another file a moment ago
                known = None
                continue
            if part + 1 < len(self._question.scans[scan].parts):
                task = asyncio.create_task(self._snapshot(scan, part + 1, wanted))
                self._ahead[scan] = (part + 1, wanted, task)
            return descriptor
        raise crowded()

    async def _snapshot(self, scan: int, part: int, columns: frozenset[str]) -> Snapshot:
        requested = self._question.file(scan, self._question.scans[scan].parts[part], columns)
        return await self._answers.snapshot(requested, PARQUET)

    async def aclose(self) -> None:
        """Stop to read ahead."""
        for _, _, task in self._ahead.values():
            await _dropped(task)
        self._ahead.clear()


async def _dropped(task: asyncio.Task[Snapshot]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, RequestError):
        await task


def _schema(table: SqlTable) -> str:
    schema = pa.schema([pa.field(column.name, _type(column.kind)) for column in table.columns.values()])
    return base64.b64encode(schema.serialize()).decode()


def _type(kind: ValueKind) -> pa.DataType:
    if kind.of is not None:
        return pa.list_(_type(kind.of))
    return pa.string() if kind.name == "enum" else data_type(kind)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
