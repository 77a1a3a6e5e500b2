"""Declare a field that finds an entity by its id."""

from collections.abc import Coroutine, Sequence
from typing import Any

from strawberry import ID, Info
from strawberry.types.fields.resolver import Parameter

from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping.entity import Entity
from schema.mapping.lists.listed import Given, Listed, known_by_rows, readable
from schema.mapping.loading import complete, found, lookup
from schema.mapping.relation import relation_of
from schema.mapping.selection import Selection, select
from schema.scalars import parse_id
from upstream.errors import UpstreamError


def by_id(kind: type[Entity], description: str) -> Any:
    """Declare the nullable field of the entity with a given id. The field stands at the root of the graph."""

    def many(roots: Sequence[Any], info: Info[Session, Any], id: ID) -> Coroutine[Any, Any, Sequence[Any]]:
        session, selection, key = info.context, select(info), parse_id(id)
        on_row = len(kind.sources) == 1 and not selection.keys().isdisjoint(kind.columns)
        return (_on_row if on_row else _on_rows)(kind, session, selection, key)

    parameters = [
        Parameter("info", Parameter.POSITIONAL_OR_KEYWORD, annotation=Info[Session, Any]),
        Parameter("id", Parameter.POSITIONAL_OR_KEYWORD, annotation=ID),
    ]
    return relation_of(many, parameters, kind, description)


async def _on_rows(kind: type[Entity], session: Session, selection: Selection, key: int) -> Sequence[Any]:
    """Return the entity of a type that several reports know."""
    return [await lookup(kind.of({"id": key}, session=session), selection)]


async def _on_row(kind: type[Entity], session: Session, selection: Selection, key: int) -> Sequence[Any]:
    """Return the entity of a type that one report knows. It stays a row if the row contains all that is selected."""
    (source,) = kind.sources
    columns = readable(kind, selection, (source.column,), session)
    (rows,) = await session.rows_of_level(Lookup(source.edge), (key,), columns, kind.__name__)
    if isinstance(rows, Exception):
        if not isinstance(rows, UpstreamError):
            raise rows
        # Selected relations may still be found.
        entity = kind.of({"id": key}, session=session)
        entity.tried[source.row] = rows
        return [found(entity, selection)]
    row = rows.find(source.column, key)
    if row is None:
        return [None]
    given = Given({"id": key})
    on_row = Listed(kind, [row], session, None, lambda: given.to(0), rows)
    if known_by_rows(kind, row, selection, session, None, given):
        return on_row
    await complete(on_row, selection)
    return [on_row[0]]
