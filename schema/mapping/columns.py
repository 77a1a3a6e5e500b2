"""The kinds of columns that a type declares: a plain value, a moment, objects inside the row, another entity."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from strawberry import Info
from strawberry.annotation import StrawberryAnnotation
from strawberry.utils.str_converters import to_camel_case

from engine.batch_hint import BATCH_HINT, BatchHint, Expression, Nested
from resolvers.session import Session
from schema.mapping import expression
from schema.mapping.entity import (
    ENTITIES,
    ITSELF,
    NO_PATHS,
    NOT_GIVEN,
    ColumnField,
    Entity,
    Place,
    Read,
    RowColumn,
)
from schema.mapping.expression import ColumnReader
from schema.mapping.joining import Joined, joined
from schema.mapping.lazy import lazy
from schema.mapping.loading import complete
from schema.mapping.selection import Selection, select
from schema.mapping.values import BadValue, report_row, sound
from upstream.errors import Incomplete, UpstreamError
from upstream.reports.rows import Row

# The metadata of a field declare two facts for tables: how many decimals its column keeps (10 if it declares none),
# and that `during` selects rows by it ("past" if no row lies in the future, else "any").
DECIMALS = "decimals"
SELECTED_BY = "during"

_NOTHING: Mapping[str, Any] = {}


@dataclass(slots=True, eq=False)
class MomentColumn(RowColumn):
    """A column of time: microseconds in the row, a moment in the business time zone in the graph."""

    def expression(self, kind: type[Row], session: Session) -> Expression | None:
        at = self.places.get(report_row(kind))
        return expression.moment(kind, at, session.zone) if isinstance(at, str) else None

    def read(self, entity: Entity, info: Info[Session, Any]) -> Any:
        microseconds = RowColumn.read(self, entity, info)
        return None if microseconds is None else info.context.moment(microseconds)


@dataclass(slots=True, eq=False)
class NestedPart(RowColumn):
    """A column of objects that stand inside the row. Each object is an entity on the rows named in `kinds`.

    Where two reports each know a part of an object, the object stands on a row of both. `decisive` returns the kind of
    row that decides the column although other reports know more, or None. `bridge` is a kind of row that says which
    objects of two other reports are the same.
    """

    entity: type[Entity] = None  # type: ignore[assignment]
    kinds: Mapping[type[Row], type[Row]] = None  # type: ignore[assignment]
    decisive: Callable[[Entity], type[Row] | None] = lambda entity: None
    bridge: type[Row] | None = None

    def read(self, entity: Entity, info: Info[Session, Any]) -> Any:
        rows = [row for row in entity.rows if type(row) in self.readers]
        decisive = self.decisive(entity)
        if decisive is not None:
            if (failure := entity.failures.get(decisive)) is not None:
                raise failure
            rows = [row for row in rows if type(row) is decisive] or rows
        found = [value for row in rows if (value := sound(self.readers[type(row)](row))) is not None]
        tried = {self.kinds[kind]: error for kind, error in entity.failures.items() if kind in self.kinds}
        if not found:
            self.fail(entity)
            return None
        if decisive is not None and type(rows[0]) is decisive:
            tried = {}
        if isinstance(found[0], list):
            objects = joined(found, self.entity.join_keys)
            entity.session.nodes.take(len(objects))
            return [self._object(entity, each, tried) for each in objects]
        return self.entity.on(*found, session=entity.session, tried=tried)

    def _object(self, entity: Entity, each: Joined, tried: Mapping[type[Row], UpstreamError]) -> Entity:
        if each.unjoined:
            tried = {**tried, **{kind: self._not_joined() for kind in each.unjoined}}
        return self.entity.on(*each.rows, session=entity.session, tried=tried)

    def _not_joined(self) -> UpstreamError:
        name = self.entity.__name__
        return Incomplete(
            f"GameHub: two reports list several objects of type {name}, and no value says which are the same. "
            "Select the fields of one report alone."
        )

    def may_change(self, entity: Entity) -> bool:
        return True  # the objects of several reports are joined

    def demands(self, entity: Entity) -> Iterable[type[Row]]:
        decisive = self.decisive(entity)
        if decisive is not None:
            yield decisive
        elif self.bridge is not None and len(entity.rows) > 1:
            rows = [row for row in entity.rows if type(row) in self.readers]
            try:
                found = [value for row in rows if (value := sound(self.readers[type(row)](row))) is not None]
            except UpstreamError:
                return  # a bad value: the error appears where the column is read
            if len(found) > 1 and any(each.unjoined for each in joined(found, self.entity.join_keys)):
                yield self.bridge

    def is_decided(self, entity: Entity, kinds: Collection[type[Row]]) -> bool:
        return self.decisive(entity) in kinds

    def paths(self, kind: type[Row], selection: Selection) -> frozenset[str]:
        if kind not in self.readers:
            return NO_PATHS
        inner, columns = self.kinds[kind], self.entity.columns
        below = {
            f"{name}.{path}"
            for name, selected in selection.items()
            if name in columns
            for path in columns[name].paths(inner, selected)
        }
        return ITSELF | below


@dataclass(slots=True, eq=False)
class EntityLink(RowColumn):
    """A column that leads to another entity. `links` has what each kind of row knows of it, by column name."""

    target: str = ""
    links: Mapping[type[Row], Mapping[str, Read]] = None  # type: ignore[assignment]

    def expression(self, kind: type[Row], session: Session) -> Nested | None:
        names = self.places.get(report_row(kind))
        if not isinstance(names, Mapping):
            return None
        fields = {to_camel_case(name): expression.plain(kind, at) for name, at in names.items()}
        found = {name: field for name, field in fields.items() if field is not None}
        if len(found) < len(fields):
            return None
        return Nested(found, " and ".join(f"({field.code}) is None" for field in found.values()))

    def reads(self, kind: type[Row]) -> tuple[str, ...]:
        return tuple(cast(Mapping[str, str], self.places[kind]).values())

    def read(self, entity: Entity, info: Info[Session, Any]) -> Any:
        selection, linked = select(info), self.linked(entity)
        if linked is None:
            self.fail(entity, selection)
            return None
        if not linked.gaps(selection):
            return linked
        if not linked.findable:
            self.fail(entity, selection)
            return None
        return _completed(linked, selection)

    def linked(self, entity: Entity) -> Entity | None:
        """Return the other entity as far as it is known here, or None."""
        values: dict[str, Any] = {}
        for row in entity.rows:
            for name, reader in self.links.get(type(row), _NOTHING).items():
                if name not in values and (value := reader(row)) is not None:
                    values[name] = value  # a bad value, too: its error appears where the column is read
        known: Entity | None = entity.given.get(self.name)
        id = values.get("id")
        if known is not None and (id is None or (not isinstance(id, BadValue) and id == known.identity)):
            return known
        if not values:
            return None
        return ENTITIES[self.target].of(values, session=entity.session, interval=entity.interval)

    def paths(self, kind: type[Row], selection: Selection) -> frozenset[str]:
        known = self.links.get(kind)
        if known is None:
            return NO_PATHS
        names = {to_camel_case(name) for name in known}
        # Without the id the rest of the entity cannot be found: such a row must know all that is selected.
        return ITSELF if "id" in known or selection.keys() - {"__typename"} <= names else NO_PATHS


async def _completed(entity: Entity, selection: Selection) -> Entity:
    # The links of one tick are completed together, so that one call can serve all of them.
    loader = entity.session.gathered((type(entity), id(selection)), partial(complete, selection=selection))
    await asyncio.shield(loader.load(entity))
    return entity


def column(
    places: Mapping[type[Row], Place],
    description: str,
    *,
    unsure: bool = False,
    otherwise: Any = NOT_GIVEN,
    decimals: int | None = None,
    during: str | None = None,
) -> Any:
    """Declare a field that reads a column of the row, by its name there or by a function.

    An `unsure` column may be UNKNOWN. `otherwise` is the value where every report says UNKNOWN; without it, that is an
    error.
    """
    readers = {kind: _reader(at) for kind, at in places.items()}
    found = RowColumn(readers, unsure=unsure, otherwise=otherwise, places=places)
    return _field(found, description, {DECIMALS: decimals, SELECTED_BY: during})


def moment(places: Mapping[type[Row], Place], description: str, *, during: str | None = None) -> Any:
    """Declare a field that reads a moment."""
    found = MomentColumn({kind: _reader(at) for kind, at in places.items()}, places=places)
    return _field(found, description, {SELECTED_BY: during})


def part(
    entity: type[Entity],
    places: Mapping[type[Row], tuple[str | Read, type[Row]]],
    description: str,
    *,
    decisive: Callable[[Any], type[Row] | None] = lambda entity: None,
    bridge: type[Row] | None = None,
) -> Any:
    """Declare a field of objects inside the row: where they stand, and which kind of row they are."""
    readers = {kind: _reader(at) for kind, (at, _) in places.items()}
    kinds = {kind: inner for kind, (_, inner) in places.items()}
    return _field(NestedPart(readers, entity=entity, kinds=kinds, decisive=decisive, bridge=bridge), description)


def link(target: str, known: Mapping[type[Row], Mapping[str, str | Read]], description: str) -> Any:
    """Declare a nullable field that leads to the entity type `target`.

    `known` has what each kind of row knows of that entity, by the names of the entity's own columns.
    """
    readers = {kind: {name: _reader(at) for name, at in columns.items()} for kind, columns in known.items()}
    keys: dict[type[Row], Read] = {kind: columns.get("id", lambda row: None) for kind, columns in readers.items()}
    # Only named columns of the row can be read without an object.
    places = {
        kind: cast(Mapping[str, str], columns)
        for kind, columns in known.items()
        if all(isinstance(at, str) for at in columns.values())
    }
    return _field(EntityLink(keys, target=target, links=readers, places=places), description, type=lazy(target) | None)


def _reader(at: Place) -> Read:
    if isinstance(at, ColumnReader):
        return at.read
    if not isinstance(at, str):
        return at
    name = at
    return lambda row: getattr(row, name)


def _field(column: RowColumn, description: str, declared: Mapping[str, Any] = _NOTHING, *, type: Any = None) -> Any:
    hint = BatchHint(read=column.read, waits=isinstance(column, EntityLink))
    given = {name: value for name, value in declared.items() if value is not None}
    return ColumnField(
        description=description,
        metadata={"column": column, BATCH_HINT: hint, **given},
        type_annotation=StrawberryAnnotation.from_annotation(type),
    )
