"""An entity reads the rows that it stands on, without copying them.

Several reports know parts of one entity. Each column of a type declares in which rows it stands and under which name.
From this follows, for any selection, which reports are still missing. `loading.py` reads those reports and no others.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Self

from strawberry import Info
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from engine.batch_hint import BATCH_HINT, BatchHint, RowField, RowList
from resolvers.edges import ReportEdge
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping import expression
from schema.mapping.expression import ColumnReader
from schema.mapping.joining import Key
from schema.mapping.selection import Selection
from schema.mapping.values import BadValue, report_row, sound
from upstream.errors import Incomplete, UpstreamError
from upstream.reports.rows import Row
from upstream.values.interval import Interval


class Unknown:
    """The value of a column that this row does not know, although it has the column. Another report may know it."""


UNKNOWN = Unknown()
NOT_GIVEN = object()
NOTHING = Selection()
ITSELF = frozenset({""})
NO_PATHS: frozenset[str] = frozenset()
_DEMANDED = "@"  # instead of a path: the kind of row without which a column would depend on its neighbours

Read = Callable[[Any], Any]
Place = str | Read | ColumnReader


@dataclass(slots=True, eq=False)
class RowColumn:
    """A column of a type: where it stands in each kind of row.

    `unsure` columns may be UNKNOWN in a row. `otherwise` is the value where every report says UNKNOWN.
    """

    readers: Mapping[type[Row], Read]
    name: str = ""
    unsure: bool = False
    otherwise: Any = NOT_GIVEN
    places: Mapping[type[Row], "Place | Mapping[str, str]"] = field(default_factory=dict)

    def expression(self, kind: type[Row], session: Session) -> RowField | None:
        """Return how the column is read from a kind of row without an entity, or None if it needs one."""
        at = self.places.get(report_row(kind))
        if isinstance(at, str):
            return expression.plain(kind, at)
        return expression.computed(kind, self.name, at) if isinstance(at, ColumnReader) else None

    def reads(self, kind: type[Row]) -> tuple[str, ...]:
        """Return the columns of the row that the expression reads."""
        at = self.places[kind]
        return at.reads if isinstance(at, ColumnReader) else (str(at),)

    def read(self, entity: "Entity", info: Info[Session, Any]) -> Any:
        """Return the column's value. Raise the `UpstreamError` of the report that should have it."""
        value: Any = NOT_GIVEN
        given = entity.given.get(self.name)
        if given is not None:
            sound(given)
        for row in entity.rows:
            reader = self.readers.get(type(row))
            if reader is not None:
                value = reader(row)
                if value is not None and value is not UNKNOWN:
                    if value.__class__ is BadValue:
                        raise value.error
                    return value
        if given is None and value is not None:
            for kind, failure in entity.failures.items():
                if kind in self.readers:
                    raise failure
            if value is UNKNOWN and self.otherwise is not NOT_GIVEN:
                return self.otherwise
            if value is UNKNOWN:
                codes = ", ".join(dict.fromkeys(source.edge.report.code for source in entity.sources))
                raise Incomplete(
                    f"GameHub: no report ({codes}) has the {self.name} of {type(entity).__name__} {entity.identity}. "
                    "Check it in GameHub, or select other fields."
                )
        return given

    def fail(self, entity: "Entity", selection: Selection = NOTHING) -> None:
        """Raise the failure of a report that knows something of this column that no row here knows."""
        for kind, failure in entity.failures.items():
            here = self.paths_of_all((type(row) for row in entity.rows), selection)
            if not self.paths(kind, selection) <= here:
                raise failure

    def paths(self, kind: type[Row], selection: Selection) -> frozenset[str]:
        """Return what a kind of row knows of this column: the selected paths below it, and "" for the column itself."""
        return ITSELF if kind in self.readers else NO_PATHS

    def paths_of_all(self, kinds: Iterable[type[Row]], selection: Selection) -> frozenset[str]:
        """Return what several kinds of row know together."""
        return NO_PATHS.union(*(self.paths(kind, selection) for kind in kinds))

    def may_change(self, entity: "Entity") -> bool:
        """Return whether the column's value may be another one once another report that has the column is there."""
        try:
            values = [reader(row) for row in entity.rows if (reader := self.readers.get(type(row)))]
        except (UpstreamError, TypeError, ValueError):
            return False  # a bad value: the error appears where the column is read
        return all(value is None or value is UNKNOWN for value in values)

    def demands(self, entity: "Entity") -> Iterable[type[Row]]:
        """Return the kinds of row without which this column would depend on what else was read of the entity."""
        return ()

    def is_decided(self, entity: "Entity", kinds: Collection[type[Row]]) -> bool:
        """Return whether one of these kinds of row decides the column, so that no other report is needed."""
        return False


class ColumnField(StrawberryField):
    """A field of the graph that reads a column."""

    @property
    def column(self) -> RowColumn:
        """Return the column that this field reads."""
        return self.metadata["column"]

    @property
    def is_basic_field(self) -> bool:
        return False

    def get_result(self, source: Any, info: Info[Session, Any] | None, args: list[Any], kwargs: Any) -> Any:
        return self.metadata["column"].read(source, info)


@dataclass(frozen=True, slots=True, eq=False)
class EntitySource:
    """A report that knows more of an entity, and the way to the entity's row in it.

    `edge`, `key` and `interval` (which may be a bad value) say which rows are read. `column` and `value` say which of
    them is the entity's row. If the id alone does not lead there, `after` names the kinds of row that `key` and
    `interval` are taken from.
    """

    row: type[Row]
    edge: ReportEdge
    key: Callable[[Any], Any] = lambda entity: entity.identity
    column: str = "id"
    value: Callable[[Any], Any] = lambda entity: entity.identity
    interval: Callable[[Any], Interval | BadValue | None] = lambda entity: None
    after: tuple[type[Row], ...] = ()

    def has_period(self, entity: "Entity") -> bool:
        """Return whether there is a period to read the report for, if it needs one."""
        return bool(self.after) or self.edge.report.frame is None or self.interval(entity) is not None

    def price(self, entities: Sequence["Entity"]) -> float:
        """Return what it would cost to read the report for these entities, in seconds."""
        session = entities[0].session
        keys: dict[Interval | None, set[Any]] = {}
        for entity in entities:
            key, interval = self.key(entity), self.interval(entity)
            if isinstance(key, BadValue) or isinstance(interval, BadValue):
                continue  # nothing can be read with a bad value
            # A source that needs another report's row has no key yet. It will have one for each entity.
            keys.setdefault(interval, set()).add(key if key is not None else id(entity))
        return sum(session.price(self.edge, found, interval) for interval, found in keys.items())

    async def load(self, entity: "Entity") -> Row | None:
        """Return the entity's row in this report, or None if the report does not have it."""
        key = sound(self.key(entity))
        if key is None:
            return None
        interval = self.interval(entity)
        if isinstance(interval, BadValue):
            raise interval.error
        # An entity is completed with all entities of its level, so its key is one of a level's keys.
        (rows,) = await entity.session.rows_of(Lookup(self.edge, interval), (key,), None, type(entity).__name__)
        if isinstance(rows, Exception):
            raise rows
        row: Row | None = rows.find(self.column, self.value(entity))
        return row


def is_relation(field: Any) -> bool:
    """Return whether a field is found for all objects of a level at once."""
    hint = field.metadata.get(BATCH_HINT) if isinstance(field, StrawberryField) else None
    return isinstance(hint, BatchHint) and hint.many is not None


# All entity types, by name: a relation names its target, so that no two modules import each other.
ENTITIES: dict[str, type["Entity"]] = {}


class Entity:
    """An object of the graph: the rows that it stands on, and the values that its parent gave.

    `given` has the parent's values by column name. `interval` is the period that the rows were read for. `tried` has
    the reports that were read, each with its error if it failed. `loading` has the reports that are being read now.
    `completing` are tasks that go on to read columns which are selected later than the entity.
    """

    columns: ClassVar[dict[str, RowColumn]] = {}
    relations: ClassVar[frozenset[str]] = frozenset()
    kinds: ClassVar[tuple[type[Row], ...]] = ()
    unsure: ClassVar[tuple[str, ...]] = ()
    demanding: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[tuple[EntitySource, ...]] = ()
    join_keys: ClassVar[tuple[Key, ...]] = ()
    session: Session
    rows: tuple[Row, ...]
    given: dict[str, Any]
    interval: Interval | None
    tried: dict[type[Row], UpstreamError | None]
    loading: Mapping[type[Row], asyncio.Future[None]] = MappingProxyType({})
    completing: tuple[asyncio.Future[Any], ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.columns = dict(cls.columns)
        for name, value in list(vars(cls).items()):
            if isinstance(value, ColumnField):
                value.column.name = name
                cls.columns[value.graphql_name or to_camel_case(name)] = value.column
        relations = [name for name, value in vars(cls).items() if is_relation(value)]
        cls.relations = cls.relations.union(map(to_camel_case, relations))
        cls.kinds = tuple(dict.fromkeys(kind for column in cls.columns.values() for kind in column.places))
        cls.unsure = tuple(name for name, column in cls.columns.items() if column.unsure)
        cls.demanding = tuple(
            name for name, column in cls.columns.items() if type(column).demands is not RowColumn.demands
        )
        ENTITIES[cls.__name__] = cls

    @classmethod
    def on(
        cls,
        *rows: Row,
        session: Session,
        interval: Interval | None = None,
        given: dict[str, Any] | None = None,
        tried: Mapping[type[Row], UpstreamError] | None = None,
    ) -> Self:
        """Return the entity that stands on these rows; `interval` is the period that they were read for."""
        entity = cls.__new__(cls)
        entity.session = session
        entity.rows = rows
        entity.given = given or {}
        entity.interval = interval
        entity.tried = dict(tried) if tried else {}
        return entity

    @classmethod
    def of(cls, given: dict[str, Any], *, session: Session, interval: Interval | None = None) -> Self:
        """Return the entity of which only some values are known, such as its id, and no row yet."""
        return cls.on(session=session, interval=interval, given=given)

    @property
    def identity(self) -> Any:
        """Return the upstream's own id, or None if it is not known."""
        readers = self.columns["id"].readers if "id" in self.columns else {}
        for row in self.rows:
            reader = readers.get(type(row))
            if reader is not None:
                return reader(row)
        return self.given.get("id")

    @property
    def failures(self) -> dict[type[Row], UpstreamError]:
        """Return the reports that could not be read, each with its error."""
        return {kind: error for kind, error in self.tried.items() if error is not None}

    @property
    def findable(self) -> bool:
        """Return whether enough is known to look the entity up."""
        return self.identity is not None

    @classmethod
    def implied(cls, selection: Selection, session: Session) -> frozenset[str]:
        """Return the columns that selected relations need, although they are not selected themselves."""
        return frozenset()

    @classmethod
    def is_covered(cls, kind: type[Row], selection: Selection, given: Collection[str]) -> bool:
        """Return whether a kind of row knows all that is selected, apart from the columns that the parent gives."""
        rest = {source.row for source in cls.sources} - {kind}
        return all(
            column.paths_of_all(rest, below) <= column.paths(kind, below)
            for name, below in selection.items()
            if (column := cls.columns.get(name)) is not None and column.name not in given
        )

    def gaps(self, selection: Selection) -> frozenset[tuple[str, str]]:
        """Return what is selected and not known here, but may be in some report: columns, with the paths below them."""
        gaps = self.missing(selection)
        unsure = [(name, "") for name in self.unsure if name in selection and self._is_unsure(self.columns[name])]
        demanded = self._demanded(selection) if self.demanding else ()
        return gaps.union(unsure, demanded) if unsure or demanded else gaps

    def awaited(self, selection: Selection) -> list[asyncio.Future[None]]:
        """Return the reports that are being read and may know something selected that is not known here."""
        if not self.loading:
            return []
        kinds = tuple(report_row(type(row)) for row in self.rows)
        wanted = {**dict.fromkeys(self.implied(selection, self.session), NOTHING), **selection}
        return [
            load
            for kind, load in self.loading.items()
            if any(
                column.name not in self.given and self._may_lack(column, kind, kinds, below)
                for name, below in wanted.items()
                if (column := self.columns.get(name)) is not None
            )
        ]

    def _may_lack(self, column: RowColumn, kind: type[Row], kinds: Sequence[type[Row]], below: Selection) -> bool:
        """Return whether a kind of row that is being read may know more of a column than the rows of these kinds."""
        if column.is_decided(self, kinds):
            return False
        if column.paths(kind, below) - column.paths_of_all(kinds, below):
            return True
        return kind in column.demands(self) or (kind in column.readers and column.may_change(self))

    def _demanded(self, selection: Selection) -> list[tuple[str, str]]:
        names = [name for name in self.demanding if name in selection and self.rows]
        open_kinds = {source.row for source in self.open_sources()} if names else set()
        return [
            (name, demand(kind)) for name in names for kind in self.columns[name].demands(self) if kind in open_kinds
        ]

    def missing(self, selection: Selection) -> frozenset[tuple[str, str]]:
        """Return the gaps that follow from the kinds of the rows alone, whatever the rows contain."""
        kinds = tuple(report_row(type(row)) for row in self.rows)
        implied = self.implied(selection, self.session)
        place = (type(self), kinds, frozenset(self.tried), frozenset(self.given), self.interval is None, implied)
        memo = selection.memo
        gaps: frozenset[tuple[str, str]] | None = memo.get(place)
        if gaps is None:
            gaps = memo[place] = frozenset(self._gaps(kinds, selection))
        return gaps

    def open_sources(self) -> list[EntitySource]:
        """Return the reports that may still know more: those that were not read and not tried."""
        kinds = {report_row(type(row)) for row in self.rows}
        return [
            source
            for source in self.sources
            if source.row not in kinds and source.row not in self.tried and source.has_period(self)
        ]

    def _gaps(self, kinds: Sequence[type[Row]], selection: Selection) -> Iterator[tuple[str, str]]:
        others = [source.row for source in self.open_sources()]
        wanted = dict(selection)
        for name in self.implied(selection, self.session):
            wanted.setdefault(name, NOTHING)
        for name, below in wanted.items():
            column = self.columns.get(name)
            if column is None or column.name in self.given or column.is_decided(self, kinds):
                continue
            for path in column.paths_of_all(others, below) - column.paths_of_all(kinds, below):
                yield name, path

    def _is_unsure(self, column: RowColumn) -> bool:
        try:
            values = [reader(row) for row in self.rows if (reader := column.readers.get(type(row)))]
        except UpstreamError:
            return False  # a bad value: the error appears where the column is read
        unknown = bool(values) and all(value is UNKNOWN for value in values)
        return unknown and any(source.row in column.readers for source in self.open_sources())


def demand(kind: type[Row]) -> str:
    """Return what stands instead of a path in a gap where a column demands a kind of row."""
    return _DEMANDED + kind.__name__


def identities(entities: Sequence[Entity]) -> list[Any]:
    """Return the upstream's own ids of some entities. Entities that are rows so far stay rows."""
    ids = entities.values("id") if isinstance(entities, EntityRows) else None
    return [entity.identity for entity in entities] if ids is None else ids


class EntityRows(RowList):
    """Entities that are rows so far: the same columns of all of them can be read at once."""

    __slots__ = ()

    @abstractmethod
    def values(self, name: str) -> list[Any] | None:
        """Return the values of a column in all rows, or None if an object is needed for one of them."""

    @property
    @abstractmethod
    def given(self) -> dict[str, Any]:
        """Return the values that the parent gives to each of the entities."""
