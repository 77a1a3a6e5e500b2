"""The source: one resource per table, which loads a part for each entity and day.

A part is the rows of one business day (of the server's zone) of one entity, such as `group=382`. A run replaces whole
parts, and touches no other. See README.md.
"""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.common import logger

from .audit import LOADED_DAYS, audit_row
from .columns import check, plain
from .progress import ALL, Progress, Wish
from .server import DayFailed, DayRows, ServerList, ServerTable, TableRefused, TableServer

# The columns that name the part of a row, and the place of the row in it.
ENTITY, DAY, ROW = "loaded_entity", "loaded_for", "loaded_row"
# A row that marks an empty part. It removes the rows that the part had, and is not in the table itself.
EMPTY = "loaded_empty"
EVERYTHING = "all"


@dlt.source(name="gamehub_graph", max_table_nesting=0)
def gamehub_graph(
    address: str = dlt.config.value,
    since: str = dlt.config.value,
    entities: Mapping[str, Sequence[str]] | None = None,
    tables: Sequence[str] | None = None,
    key: str | None = None,
    lookback_days: int = 3,
    refresh: Sequence[str] | None = None,
) -> Any:
    """The tables of a server, from the day `since` on.

    `entities` are the values of the parameters that tables need: {"group": ["382", "383"], "room": ["1"]}. Without
    `tables` these are all tables whose parameters are there. `key` is an API key, for a server that wants one. The
    last `lookback_days` that were over are read again, and so are the days of `refresh`: the first and the last.
    """
    server = TableServer(address, key)
    found = server.list()
    given = entities or {}
    wish = Wish(
        datetime.date.fromisoformat(since),
        lookback_days,
        (datetime.date.fromisoformat(refresh[0]), datetime.date.fromisoformat(refresh[-1])) if refresh else None,
    )
    for table in _chosen(found, given, tables):
        yield _resource(server, found, table, _entities(table, given), wish)


def _chosen(found: ServerList, given: Mapping[str, Sequence[str]], names: Sequence[str] | None) -> list[ServerTable]:
    """Return the tables to load. Raise ValueError for a table that does not exist, or that needs something else."""
    if names is None:
        return [table for table in found.tables.values() if _loadable(table, given)]
    for name in names:
        if name not in found.tables:
            raise ValueError(f"the server has no table {name}; it has {', '.join(found.tables)}")
        if not _loadable(found.tables[name], given):
            raise ValueError(f"the table {name} needs {', '.join(found.tables[name].required)}: add it to `entities`")
    return [found.tables[name] for name in names]


def _loadable(table: ServerTable, given: Mapping[str, Sequence[str]]) -> bool:
    return not table.required or (len(table.required) == 1 and bool(given.get(table.required[0])))


def _entities(table: ServerTable, given: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Return the parameters of each entity by its name, such as group=382."""
    if not table.required:
        return {EVERYTHING: {}}
    (name,) = table.required
    return {f"{name}={value}": {name: value} for value in given[name]}


def _resource(
    server: TableServer, found: ServerList, table: ServerTable, entities: Mapping[str, dict[str, str]], wish: Wish
) -> Any:
    """Return the resource of one table."""

    # A merge key alone makes dlt delete and insert whole parts: a primary key would compare row by row.
    @dlt.resource(
        name=table.name,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        merge_key=(ENTITY, DAY) if table.timed else (ENTITY,),
        columns={EMPTY: {"data_type": "bool", "hard_delete": True, "nullable": True}},
    )
    def rows() -> Iterator[Any]:
        state = dlt.current.resource_state()
        if state.setdefault("timezone", found.timezone) != found.timezone:
            raise ValueError(
                f"the days of {table.name} were loaded in the zone {state['timezone']}, and the server's zone is "
                f"{found.timezone} now: load into another dataset"
            )
        state["read"] = list(entities)
        columns: dict[str, str] = state.setdefault("columns", {})
        for entity, parameters in entities.items():
            progress = Progress(state.setdefault("entities", {}).setdefault(entity, {}), found.closed_until)
            days: Iterator[tuple[datetime.date | None, bool]]
            days = progress.days(wish, found.today) if table.timed else iter([(None, True)])
            try:
                for day, again in days:
                    try:
                        read = server.read(table, parameters, day, found.now if again else None)
                        loaded = _part(read, columns, entity, day)
                    except DayFailed as failure:
                        _warn(table, entity, day, failure)
                        progress.note(day, str(failure))
                        continue
                    progress.note(day, None)
                    yield loaded
                    yield dlt.mark.with_hints(audit_row(table, entity, day, read, found), LOADED_DAYS, True)
            except TableRefused as failure:
                _warn(table, entity, None, failure)
                progress.failed[ALL] = str(failure)
            else:
                if table.timed:
                    progress.failed.pop(ALL, None)

    return rows


def _warn(table: ServerTable, entity: str, day: datetime.date | None, failure: Exception) -> None:
    logger.warning(f"{table.name}, {entity}{f' on {day}' if day else ''}: not loaded: {failure}")


def _part(read: DayRows, columns: dict[str, str], entity: str, day: datetime.date | None) -> pa.Table:
    """Return the rows of a part as they are loaded. Raise TableRefused if a column has another type than before."""
    rows = plain(read.rows)
    check(rows, columns)
    count = rows.num_rows
    if not count:
        rows = pa.table([pa.nulls(1, field.type) for field in rows.schema], schema=rows.schema)
    own = {
        ENTITY: pa.array([entity] * rows.num_rows, pa.string()),
        DAY: pa.array([day] * rows.num_rows, pa.date32()),
        ROW: pa.array(range(rows.num_rows), pa.int64()),
        EMPTY: pa.array([True if not count else None] * rows.num_rows, pa.bool_()),
    }
    for name, values in own.items():
        if day is not None or name != DAY:
            rows = rows.append_column(pa.field(name, values.type, name not in (ENTITY, DAY)), values)
    return rows
