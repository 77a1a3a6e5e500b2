"""Declare a relation whose items come in pages: an edge, and what the parent gives to each item."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from strawberry import Info
from strawberry.types.fields.resolver import Parameter

from resolvers.edges import ReportEdge
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping.entity import Entity, identities
from schema.mapping.lazy import lazy
from schema.mapping.lists import order
from schema.mapping.lists.conditions import Conditions, read_allowed
from schema.mapping.lists.connection import ConnectionPage, connect, reads
from schema.mapping.lists.listed import Given
from schema.mapping.lists.relay import Connection
from schema.mapping.relation import relation_of
from schema.period import TODAY, Period, resolve
from schema.where import conditions
from upstream.values.interval import Interval

# The types whose pages have totals: each has a type of pages of its own.
WITH_TOTALS = frozenset({"Transaction", "GameLog", "Game", "FinancialMovement"})


@dataclass(frozen=True, slots=True)
class PageArgument:
    """An argument of the field that the report takes as a parameter of the same name.

    If the conditions name the same `column`, they may give the parameter, and they must not contradict the argument.
    """

    name: str
    type: Any
    to_parameter: Callable[[Any, Conditions], str | int | None] = lambda value, where: value
    column: str = ""


def connection_of(name: str) -> Any:
    """Return the type of a page of a type of the graph, which is imported later."""
    return lazy(f"{name}Connection") if name in WITH_TOTALS else Connection[lazy(name)]  # type: ignore[misc]


def pages(
    target: str,
    edge: ReportEdge,
    description: str,
    *,
    parent: str | None = None,
    arguments: Sequence[PageArgument] = (),
    conditions_type: Any = None,
    whole_rows: bool = False,
) -> Any:
    """Declare the pages of the entities `target` that an edge leads to, in the order of the edge's report.

    A report with a period has the argument `during`. `parent` is the item's column that the parent itself stands in.
    `conditions_type` is the type of conditions on the items, if the field takes them. `whole_rows` reads all columns of
    the rows, whatever is selected.
    """
    with_period, in_order = edge.report.frame is not None, order.of(target, edge.report)

    async def many(
        parents: Sequence[Entity],
        info: Info[Session, Any],
        during: Period | None = TODAY,
        first: int | None = None,
        after: str | None = None,
        **given: Any,
    ) -> Sequence[Any]:
        where = conditions(given.get("where"))
        for each in arguments:
            where = where.beside(each.column, given.get(each.name))
        page = ConnectionPage.of(in_order, first, after, where)
        interval = resolve(info, during) if with_period else None
        parameters: dict[str, Any] = {each.name: each.to_parameter(given.get(each.name), where) for each in arguments}
        columns = None if whole_rows else reads(info, target, page)
        raw = info._raw_info
        field = f"{raw.parent_type.name}.{raw.field_name}"

        # The items of a parent name no other one.
        allowed, keys = page.where.allowed(f"{parent}.id"), identities(parents)

        async def read(part: Interval | None) -> Sequence[KeyRows | Exception]:
            lookup = Lookup.of(edge, part, **parameters)

            async def of_keys(some: Sequence[Any]) -> Sequence[KeyRows | Exception]:
                return await info.context.rows_of_level(lookup, some, columns, field)

            return await read_allowed(keys, allowed, of_keys)

        given_to, source = Given(parent=parent, parents=parents), (repr(given), *keys)
        return await connect(info, target, page, read, interval=interval, given=given_to, source=source)

    parameters = [_parameter("info", Info[Session, Any], Parameter.empty)]
    parameters += [_parameter("during", Period | None, TODAY)] if with_period else []
    parameters += [_parameter(argument.name, argument.type | None, None) for argument in arguments]
    parameters += [_parameter("where", conditions_type | None, None)] if conditions_type is not None else []
    parameters += [_parameter("first", int | None, None), _parameter("after", str | None, None)]
    return relation_of(many, parameters, connection_of(target), description)


def _parameter(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)
