"""A type is a window onto rows: it reads the rows it stands on, and copies nothing.

The same entity is known in parts by several reports. Each column of a type says in which rows it stands and under which
name; from that follows, for any selection, which reports are still missing, and `complete` reads those and no others.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self, cast

from strawberry import Info
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from engine.offer import OFFER, BatchHint, Expression, Nested
from resolvers.edges import ReportEdge
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.nodes import TURN
from resolvers.plan import cover
from resolvers.session import Session
from schema.mapping import expression
from schema.mapping.expression import ColumnReader
from schema.mapping.joining import Joined, Key, joined
from schema.mapping.selection import Selection, select
from upstream.decoding.bad_value import BadValue, sound
from upstream.decoding.partial_row import report_row
from upstream.errors import Incomplete, UpstreamError
from upstream.interval import Interval
from upstream.reports.rows import Row


class Unknown:
    """The value of a column that this row does not tell after all, so that another report has to."""


# A field declares this in its metadata for tables: the decimals that its column keeps (10 if it declares none), and
# that `during` selects rows by it ("past" if no row lies in the future, else "any").
DECIMALS = "decimals"
SELECTED_BY = "during"

UNKNOWN = Unknown()
UNASKED = object()
NOTHING = Selection()
ITSELF = frozenset({""})
_DEMANDED = "@"  # in place of a path: the kind of row without which a column would depend on its neighbours
NO_PATHS: frozenset[str] = frozenset()

Read = Callable[[Any], Any]


@dataclass(slots=True, eq=False)
class RowColumn:
    """A column: where it stands in each kind of row."""

    readers: Mapping[type[Row], Read]
    name: str = ""
    unsure: bool = False
    otherwise: Any = UNASKED
    of: Mapping[type[Row], "str | Read | ColumnReader | Mapping[str, str]"] = field(default_factory=dict)

    def expression(self, kind: type[Row], session: Session) -> Expression | Nested | None:
        """How it is read off a kind of row without a window; None if it takes one."""
        at = self.of.get(report_row(kind))
        if isinstance(at, str):
            return expression.plain(kind, at)
        return expression.told(kind, self.name, at) if isinstance(at, ColumnReader) else None

    def reads(self, kind: type[Row]) -> tuple[str, ...]:
        """The columns of the row that its expression reads."""
        at = self.of[kind]
        return at.reads if isinstance(at, ColumnReader) else (str(at),)

    def read(self, window: "Entity", info: Info[Session, Any]) -> Any:
        """The column's value. Raises the `UpstreamError` that kept it away, if one did."""
        value: Any = UNASKED
        told = window.told.get(self.name)
        if told is not None:
            sound(told)
        for row in window.rows:
            reader = self.readers.get(type(row))
            if reader is not None:
                value = reader(row)
                if value is not None and value is not UNKNOWN:
                    if value.__class__ is BadValue:
                        raise value.error
                    return value
        if told is None and value is not None:
            for kind, failure in window.failures.items():
                if kind in self.readers:
                    raise failure
            if value is UNKNOWN and self.otherwise is not UNASKED:
                return self.otherwise
            if value is UNKNOWN:
                raise Incomplete(f"No report tells the {self.name} of {type(window).__name__} {window.identity}.")
        return told

    def fail(self, window: "Entity", selection: Selection = NOTHING) -> None:
        """Raise the failure of a report that would have told what no row here tells."""
        for kind, failure in window.failures.items():
            here = self.told_by((type(row) for row in window.rows), selection)
            if not self.tells(kind, selection) <= here:
                raise failure

    def tells(self, kind: type[Row], selection: Selection) -> frozenset[str]:
        """What of this column a kind of row tells: the paths of what is selected below, "" for the column itself."""
        return ITSELF if kind in self.readers else NO_PATHS

    @property
    def demanding(self) -> bool:
        """Whether it may demand a kind of row."""
        return False

    def demands(self, window: "Entity") -> Iterable[type[Row]]:
        """Return the kinds of row without which this column would depend on what else was read of the entity."""
        return ()

    def told_by(self, kinds: Iterable[type[Row]], selection: Selection) -> frozenset[str]:
        """What several kinds of row tell together."""
        return NO_PATHS.union(*(self.tells(kind, selection) for kind in kinds))


@dataclass(slots=True, eq=False)
class MomentColumn(RowColumn):
    """A column of time: microseconds in the row, on the wall clock of the business in the graph."""

    def expression(self, kind: type[Row], session: Session) -> Expression | None:
        at = self.of.get(report_row(kind))
        return expression.moment(kind, at, session.zone) if isinstance(at, str) else None

    def read(self, window: "Entity", info: Info[Session, Any]) -> Any:
        microseconds = RowColumn.read(self, window, info)
        return None if microseconds is None else info.context.moment(microseconds)


@dataclass(slots=True, eq=False)
class NestedPart(RowColumn):
    """A column of objects that stand inside the row: another window each, on the rows named in `kinds`.

    Where two reports each tell a part of the objects, a window stands on both. `settled` names the kind of row that has
    the last word about an entity, though other reports tell more, or None. `bridge` is a kind of row that tells which
    objects of two other reports are the same.
    """

    window: type["Entity"] = None  # type: ignore[assignment]
    kinds: Mapping[type[Row], type[Row]] = None  # type: ignore[assignment]
    settled: Callable[["Entity"], type[Row] | None] = lambda window: None
    bridge: type[Row] | None = None

    def read(self, window: "Entity", info: Info[Session, Any]) -> Any:
        rows = [row for row in window.rows if type(row) in self.readers]
        settled = self.settled(window)
        if settled is not None:
            if (failure := window.failures.get(settled)) is not None:
                raise failure
            rows = [row for row in rows if type(row) is settled] or rows
        found = [value for row in rows if (value := sound(self.readers[type(row)](row))) is not None]
        tried = {self.kinds[kind]: error for kind, error in window.failures.items() if kind in self.kinds}
        if not found:
            self.fail(window)
            return None
        if settled is not None and type(rows[0]) is settled:
            tried = {}
        if isinstance(found[0], list):
            objects = joined(found, self.window.join_keys)
            window.session.nodes.take(len(objects))
            return [self._object(window, each, tried) for each in objects]
        return self.window.on(*found, session=window.session, tried=tried)

    def _object(self, window: "Entity", each: Joined, tried: Mapping[type[Row], UpstreamError]) -> "Entity":
        if each.unjoined:
            tried = {**tried, **{kind: self._apart() for kind in each.unjoined}}
        return self.window.on(*each.rows, session=window.session, tried=tried)

    def _apart(self) -> UpstreamError:
        name = self.window.__name__
        return Incomplete(f"Two reports list several objects of type {name} that nothing tells apart: not joined.")

    @property
    def demanding(self) -> bool:
        return self.bridge is not None

    def demands(self, window: "Entity") -> Iterable[type[Row]]:
        settled = self.settled(window)
        if settled is not None:
            yield settled
        elif self.bridge is not None and len(window.rows) > 1:
            rows = [row for row in window.rows if type(row) in self.readers]
            try:
                found = [value for row in rows if (value := sound(self.readers[type(row)](row))) is not None]
            except UpstreamError:
                return  # a bad value, which reading the column tells
            if len(found) > 1 and any(each.unjoined for each in joined(found, self.window.join_keys)):
                yield self.bridge

    def tells(self, kind: type[Row], selection: Selection) -> frozenset[str]:
        if kind not in self.readers:
            return NO_PATHS
        inner, columns = self.kinds[kind], self.window.columns
        below = {
            f"{name}.{path}"
            for name, selected in selection.items()
            if name in columns
            for path in columns[name].tells(inner, selected)
        }
        return ITSELF | below


@dataclass(slots=True, eq=False)
class EntityLink(RowColumn):
    """A column that leads to another entity: what the row tells of it, by the names of that entity's columns."""

    target: str = ""
    links: Mapping[type[Row], Mapping[str, Read]] = None  # type: ignore[assignment]

    def expression(self, kind: type[Row], session: Session) -> Nested | None:
        told = self.of.get(report_row(kind))
        if not isinstance(told, Mapping):
            return None
        fields = {to_camel_case(name): expression.plain(kind, at) for name, at in told.items()}
        found = {name: field for name, field in fields.items() if field is not None}
        if len(found) < len(fields):
            return None
        return Nested(found, " and ".join(f"({field.code}) is None" for field in found.values()))

    def reads(self, kind: type[Row]) -> tuple[str, ...]:
        return tuple(cast(Mapping[str, str], self.of[kind]).values())

    def read(self, window: "Entity", info: Info[Session, Any]) -> Any:
        target = WINDOWS[self.target]
        told: dict[str, Any] = {}
        for row in window.rows:
            for name, reader in self.links.get(type(row), _NOTHING).items():
                if name not in told and (value := reader(row)) is not None:
                    told[name] = value  # a bad value, too: whoever reads it gets its error
        known: Entity | None = window.told.get(self.name)
        selection = select(info)
        id = told.get("id")
        if known is not None and (id is None or (not isinstance(id, BadValue) and id == known.identity)):
            linked = known
        elif told:
            linked = target.tell(told, session=window.session, interval=window.interval)
        else:
            self.fail(window, selection)
            return None
        if not linked.gaps(selection):
            return linked
        if not linked.findable:
            self.fail(window, selection)
            return None
        return _completed(linked, selection)

    def tells(self, kind: type[Row], selection: Selection) -> frozenset[str]:
        told = self.links.get(kind)
        if told is None:
            return NO_PATHS
        names = {to_camel_case(name) for name in told}
        # Without the id the rest of the entity is out of reach: such a row serves if it tells all that is selected.
        return ITSELF if "id" in told or selection.keys() - {"__typename"} <= names else NO_PATHS


_NOTHING: Mapping[str, Any] = {}


async def _completed(window: "Entity", selection: Selection) -> "Entity":
    # The links of one tick are completed together: what one call tells of all of them is not asked for one by one.
    loader = window.session.gathered((type(window), id(selection)), partial(complete, selection=selection))
    await asyncio.shield(loader.load(window))
    return window


class ColumnField(StrawberryField):
    """A field of the graph that reads a column."""

    @property
    def column(self) -> RowColumn:
        """The column this field reads."""
        return self.metadata["column"]

    @property
    def is_basic_field(self) -> bool:
        return False

    def get_result(self, source: Any, info: Info[Session, Any] | None, args: list[Any], kwargs: Any) -> Any:
        return self.metadata["column"].read(source, info)


@dataclass(frozen=True, slots=True, eq=False)
class EntitySource:
    """A report that tells more of an entity, and how to find the entity's row in it.

    `edge`, `key` and `interval` (which may be a bad value) say which rows are read, `column` and `value` which of them
    is the entity's. `after`
    names the kinds of row that `key` and `interval` are taken from, where the id alone does not lead there.
    """

    row: type[Row]
    edge: ReportEdge
    key: Callable[[Any], Any] = lambda window: window.identity
    column: str = "id"
    value: Callable[[Any], Any] = lambda window: window.identity
    interval: Callable[[Any], Interval | BadValue | None] = lambda window: None
    after: tuple[type[Row], ...] = ()

    def offered(self, window: "Entity") -> bool:
        """Whether there is a period to read it for, if it needs one."""
        return bool(self.after) or self.edge.report.frame is None or self.interval(window) is not None

    def price(self, windows: Sequence["Entity"]) -> float:
        """What it would cost to read it for these windows, in seconds."""
        session = windows[0].session
        keys: dict[Interval | None, set[Any]] = {}
        for window in windows:
            key, interval = self.key(window), self.interval(window)
            if isinstance(key, BadValue) or isinstance(interval, BadValue):
                continue  # nothing can be read by it
            # What stands on another report's row has no key yet; it will have one a window.
            keys.setdefault(interval, set()).add(key if key is not None else id(window))
        return sum(session.price(self.edge, found, interval) for interval, found in keys.items())

    async def load(self, window: "Entity") -> Row | None:
        """The entity's row in this report, or None if it does not stand there."""
        key = sound(self.key(window))
        if key is None:
            return None
        interval = self.interval(window)
        if isinstance(interval, BadValue):
            raise interval.error
        rows: KeyRows = await window.session.rows(Lookup(self.edge, interval), key, type(window).__name__)
        row: Row | None = rows.find(self.column, self.value(window))
        return row


WINDOWS: dict[str, type["Entity"]] = {}


class Entity:
    """What all types of the graph are: the rows they stand on, and what the parent told of them."""

    columns: ClassVar[dict[str, RowColumn]] = {}
    kinds: ClassVar[tuple[type[Row], ...]] = ()
    unsure: ClassVar[tuple[str, ...]] = ()
    demanding: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[tuple[EntitySource, ...]] = ()
    join_keys: ClassVar[tuple[Key, ...]] = ()
    session: Session
    rows: tuple[Row, ...]
    told: dict[str, Any]
    interval: Interval | None
    tried: dict[type[Row], UpstreamError | None]
    loading: tuple[asyncio.Future[None], ...] = ()  # the reports that are being read for it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.columns = dict(cls.columns)
        for name, value in list(vars(cls).items()):
            if isinstance(value, ColumnField):
                value.column.name = name
                cls.columns[value.graphql_name or to_camel_case(name)] = value.column
        cls.kinds = tuple(dict.fromkeys(kind for column in cls.columns.values() for kind in column.of))
        cls.unsure = tuple(name for name, column in cls.columns.items() if column.unsure)
        cls.demanding = tuple(
            name for name, column in cls.columns.items() if type(column).demands is not RowColumn.demands
        )
        WINDOWS[cls.__name__] = cls

    @classmethod
    def on(
        cls,
        *rows: Row,
        session: Session,
        interval: Interval | None = None,
        told: dict[str, Any] | None = None,
        tried: Mapping[type[Row], UpstreamError] | None = None,
    ) -> Self:
        """A window on rows of one entity; `interval` is the period that they were read for."""
        window = cls.__new__(cls)
        window.session = session
        window.rows = rows
        window.told = told or {}
        window.interval = interval
        window.tried = dict(tried) if tried else {}
        return window

    @classmethod
    def tell(cls, told: dict[str, Any], *, session: Session, interval: Interval | None = None) -> Self:
        """A window on nothing yet but what its parent's row told."""
        return cls.on(session=session, interval=interval, told=told)

    @property
    def identity(self) -> Any:
        """The upstream's own id, or None where the parent did not tell it."""
        readers = self.columns["id"].readers if "id" in self.columns else {}
        for row in self.rows:
            reader = readers.get(type(row))
            if reader is not None:
                return reader(row)
        return self.told.get("id")

    @property
    def failures(self) -> dict[type[Row], UpstreamError]:
        """The reports that were read in vain, and why."""
        return {kind: error for kind, error in self.tried.items() if error is not None}

    @property
    def findable(self) -> bool:
        """Whether enough is known to look the entity up."""
        return self.identity is not None

    @classmethod
    def implied(cls, selection: Selection, session: Session) -> frozenset[str]:
        """Columns that selected relations stand on, though nobody selected them."""
        return frozenset()

    @classmethod
    def told_whole(cls, kind: type[Row], selection: Selection, told: Collection[str]) -> bool:
        """Whether a kind of row tells all that is selected, beside what the parent tells."""
        rest = {source.row for source in cls.sources} - {kind}
        return all(
            column.told_by(rest, below) <= column.tells(kind, below)
            for name, below in selection.items()
            if (column := cls.columns.get(name)) is not None and column.name not in told
        )

    def gaps(self, selection: Selection) -> frozenset[tuple[str, str]]:
        """What is selected and some report may tell, but nothing here does: columns, with the paths below them."""
        gaps = self.missing(selection)
        unsure = [(name, "") for name in self.unsure if name in selection and self._is_unsure(self.columns[name])]
        demanded = self._demanded(selection) if self.demanding else ()
        return gaps.union(unsure, demanded) if unsure or demanded else gaps

    def _demanded(self, selection: Selection) -> list[tuple[str, str]]:
        names = [name for name in self.demanding if name in selection and self.rows]
        open_kinds = {source.row for source in self.open_sources()} if names else set()
        return [
            (name, _DEMANDED + kind.__name__)
            for name in names
            for kind in self.columns[name].demands(self)
            if kind in open_kinds
        ]

    def missing(self, selection: Selection) -> frozenset[tuple[str, str]]:
        """The same by the kinds of the rows alone, whatever these turn out not to tell."""
        kinds = tuple(report_row(type(row)) for row in self.rows)
        implied = self.implied(selection, self.session)
        place = (type(self), kinds, frozenset(self.tried), frozenset(self.told), self.interval is None, implied)
        memo = selection.memo
        gaps: frozenset[tuple[str, str]] | None = memo.get(place)
        if gaps is None:
            gaps = memo[place] = frozenset(self._gaps(kinds, selection))
        return gaps

    def open_sources(self) -> list[EntitySource]:
        """The reports that may still tell more: neither read nor tried in vain."""
        kinds = {report_row(type(row)) for row in self.rows}
        return [
            source
            for source in self.sources
            if source.row not in kinds and source.row not in self.tried and source.offered(self)
        ]

    def _gaps(self, kinds: Sequence[type[Row]], selection: Selection) -> Iterator[tuple[str, str]]:
        others = [source.row for source in self.open_sources()]
        wanted = dict(selection)
        for name in self.implied(selection, self.session):
            wanted.setdefault(name, NOTHING)
        for name, below in wanted.items():
            column = self.columns.get(name)
            if column is None or column.name in self.told:
                continue
            if isinstance(column, NestedPart) and column.settled(self) in kinds:
                continue
            for path in column.told_by(others, below) - column.told_by(kinds, below):
                yield name, path

    def _is_unsure(self, column: RowColumn) -> bool:
        try:
            values = [reader(row) for row in self.rows if (reader := column.readers.get(type(row)))]
        except UpstreamError:
            return False  # a bad value, which reading the column tells
        unknown = bool(values) and all(value is UNKNOWN for value in values)
        return unknown and any(source.row in column.readers for source in self.open_sources())


async def complete(windows: Sequence[Entity], selection: Selection) -> bool:
    """Read whatever selected columns the windows lack, from the cheapest reports that tell them; False if none is.

    A report that fails is remembered, and raised when one of its columns is read: it fails these columns and no others.
    Where a report turns out not to tell a column after all, the next one is asked. Two fields may complete one window
    at the same time: each waits for what the other reads.
    """
    loaded = False
    while True:
        if loads := list(_loads(await _alike(windows, selection), selection)):
            loaded = True
            if len(loads) == 1:
                await _load(*loads[0])
            else:
                await asyncio.gather(*(_load(window, source) for window, source in loads))
        elif loading := [load for window in windows for load in window.loading]:
            await asyncio.wait(loading)
        else:
            return loaded


# What windows lack: the kinds of their rows, the reports that were tried, and the gaps.
_Lack = tuple[tuple[type[Row], ...], frozenset[type[Row]], frozenset[tuple[str, str]]]


async def _alike(windows: Sequence[Entity], selection: Selection) -> dict[_Lack, list[Entity]]:
    """Return the windows that lack something, those together that lack the same; others have turns meanwhile."""
    alike: dict[_Lack, list[Entity]] = {}
    if len(windows) <= TURN:
        _add_alike(alike, windows, selection)
        return alike
    session = windows[0].session
    # What others ask for meanwhile is one batch with what is asked for these.
    session.gathering += 1
    try:
        for begin in range(0, len(windows), TURN):
            _add_alike(alike, windows[begin : begin + TURN], selection)
            await asyncio.sleep(0)
    finally:
        session.gathering -= 1
    return alike


def _add_alike(alike: dict[_Lack, list[Entity]], windows: Sequence[Entity], selection: Selection) -> None:
    for window in windows:
        gaps = window.gaps(selection)
        if gaps:
            alike.setdefault((tuple(map(type, window.rows)), frozenset(window.tried), gaps), []).append(window)


def _loads(alike: Mapping[_Lack, list[Entity]], selection: Selection) -> Iterator[tuple[Entity, EntitySource]]:
    """The reports to read next, each for the windows that lack it. Windows that lack the same are planned as one."""
    for (_, _, gaps), members in alike.items():
        for source in _chosen(members, gaps, selection):
            for window in members:
                yield window, source


def _chosen(windows: Sequence[Entity], gaps: Iterable[tuple[str, str]], selection: Selection) -> Sequence[EntitySource]:
    """The reports to read next for what windows of one kind lack."""
    first = windows[0]
    sources = first.open_sources()
    prices = {source: source.price(windows) for source in sources} if len(sources) > 1 else dict.fromkeys(sources, 0.0)

    def serving(name: str, path: str) -> list[EntitySource]:
        if path.startswith(_DEMANDED):
            return [source for source in sources if source.row.__name__ == path.removeprefix(_DEMANDED)]
        below = selection.get(name, NOTHING)
        return [source for source in sources if path in first.columns[name].tells(source.row, below)]

    chosen = cover([serving(name, path) for name, path in gaps], prices)
    # What stands on another report's row waits for it, and brings it along if nobody else does.
    here = {type(row) for row in first.rows}
    ready = [source for source in chosen if not source.after or not here.isdisjoint(source.after)]
    waiting = [source for source in chosen if source not in ready]
    earlier = [next((other for other in sources if other.row in source.after), source) for source in waiting]
    return tuple(dict.fromkeys([*ready, *earlier]))


async def _load(window: Entity, source: EntitySource) -> None:
    window.tried[source.row] = None
    done = asyncio.get_running_loop().create_future()
    window.loading = (*window.loading, done)
    try:
        row = await source.load(window)
    except UpstreamError as error:
        window.tried[source.row] = error
    else:
        if row is not None:
            # In the order in which columns name reports: which answer came first makes no difference.
            order = type(window).kinds
            rows = (*window.rows, row)
            window.rows = tuple(sorted(rows, key=lambda row: order.index(report_row(type(row)))))
    finally:
        done.set_result(None)
        window.loading = tuple(load for load in window.loading if load is not done)


def identities(windows: Sequence[Entity]) -> list[Any]:
    """The upstream's own ids of some entities."""
    return [window.identity for window in windows]


async def lookup(window: Entity, selection: Selection) -> Entity | None:
    """The entity of this id as selected, or None if the upstream knows none.

    If nothing but the id is selected, the cheapest report says whether it exists. If no report answers, the relations
    that are selected may still be found; raises the `UpstreamError` if there are none.
    """
    if not await complete((window,), selection) and not window.rows:
        await _load(window, min(window.open_sources(), key=lambda source: _remoteness(source, window)))
    if window.rows:
        return window
    relations = selection.keys() - window.columns.keys() - {"__typename", "nodeId"}
    for failure in window.failures.values():
        if not relations:
            raise failure
        return window
    return None


def _remoteness(source: EntitySource, window: Entity) -> tuple[bool, bool, float]:
    """The nearest report is one that is found by what is known, and by the id alone; then the cheapest."""
    return source.key(window) is None, bool(source.after), source.price([window])


def _reader(at: "str | Read | ColumnReader") -> Read:
    if isinstance(at, ColumnReader):
        return at.read
    if not isinstance(at, str):
        return at
    name = at
    return lambda row: getattr(row, name)


def column(
    of: Mapping[type[Row], str | Read | ColumnReader],
    description: str,
    *,
    unsure: bool = False,
    otherwise: Any = UNASKED,
    decimals: int | None = None,
    during: str | None = None,
) -> Any:
    """A field that reads a column of the row: by its name there, or by a function, `unsure` if it may say UNKNOWN.

    `otherwise` is the value where every report says UNKNOWN; without it, that is an error.
    """
    readers = {kind: _reader(at) for kind, at in of.items()}
    found = RowColumn(readers, unsure=unsure, otherwise=otherwise, of=of)
    return _field(found, description, {DECIMALS: decimals, SELECTED_BY: during})


def moment(of: Mapping[type[Row], str | Read | ColumnReader], description: str, *, during: str | None = None) -> Any:
    """A field that reads a moment."""
    found = MomentColumn({kind: _reader(at) for kind, at in of.items()}, of=of)
    return _field(found, description, {SELECTED_BY: during})


def part(
    window: type[Entity],
    of: Mapping[type[Row], tuple[str | Read, type[Row]]],
    description: str,
    *,
    settled: Callable[[Any], type[Row] | None] = lambda window: None,
    bridge: type[Row] | None = None,
) -> Any:
    """A field of objects inside the row: where they stand, and the kind of row that they are."""
    readers = {kind: _reader(at) for kind, (at, _) in of.items()}
    kinds = {kind: inner for kind, (_, inner) in of.items()}
    return _field(NestedPart(readers, window=window, kinds=kinds, settled=settled, bridge=bridge), description)


def link(target: str, tells: Mapping[type[Row], Mapping[str, str | Read]], description: str) -> Any:
    """A field that leads to another entity: what the row tells of it, by the names of the entity's own columns."""
    readers = {kind: {name: _reader(at) for name, at in told.items()} for kind, told in tells.items()}
    keys: dict[type[Row], Read] = {kind: told.get("id", lambda row: None) for kind, told in readers.items()}
    # What stands in the row by name can be read without an object.
    of = {
        kind: cast(Mapping[str, str], told)
        for kind, told in tells.items()
        if all(isinstance(at, str) for at in told.values())
    }
    return _field(EntityLink(keys, target=target, links=readers, of=of), description)


def _field(column: RowColumn, description: str, declared: Mapping[str, Any] = _NOTHING) -> Any:
    offer = BatchHint(read=column.read, waits=isinstance(column, EntityLink))
    given = {name: value for name, value in declared.items() if value is not None}
    return ColumnField(description=description, metadata={"column": column, OFFER: offer, **given})
