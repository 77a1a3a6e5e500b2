"""A relation: a field that is found for all objects of a level at once, and for one object as for a level of one."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeVar

import strawberry
from strawberry import Info
from strawberry.types.fields.resolver import Parameter, Signature

from engine.batch_hint import BATCH_HINT, BatchHint
from resolvers.rules.currency import currencies
from resolvers.session import Session
from schema.mapping.entity import Entity

Place = TypeVar("Place", bound=Hashable)


def relation(type: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a nullable field of this type, given a function that finds its values for all objects of a level.

    The function takes the objects, the `info` and the field's arguments. It returns a list with a value for each
    object, in their order. An exception instead of a value is that object's error.
    """

    def declared(many: Callable[..., Any]) -> Any:
        _, *parameters = Signature.from_callable(many).parameters.values()
        return relation_of(many, parameters, type, many.__doc__)

    return declared


def relation_of(
    many: Callable[..., Any], parameters: Sequence[inspect.Parameter], type: Any, description: str | None
) -> Any:
    """Declare the field of a relation whose function takes these parameters (`info` and the field's arguments)."""

    async def one(self: Any, info: Info[Session, Any], **arguments: Any) -> Any:
        (found,) = await many([self], info, **arguments)
        if isinstance(found, Exception):
            raise found
        return found

    itself = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    one.__signature__ = Signature(  # type: ignore[attr-defined]
        [itself, *parameters], return_annotation=type | None
    )
    one.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": type | None}
    one.__name__, one.__qualname__, one.__doc__ = many.__name__, many.__qualname__, description
    one.__module__ = many.__module__
    return strawberry.field(resolver=one, metadata={BATCH_HINT: BatchHint(many=many)})


def currency(groups_of: Callable[[Sequence[Any]], list[Any]], description: str) -> Any:
    """Declare the field with the currency of a group's books, given the function that returns the objects' groups."""

    async def currency(entities: Sequence[Entity], info: Info[Session, Any]) -> list[Any]:
        found: list[Any] = await currencies(info.context, groups_of(entities))
        return found

    currency.__doc__ = description
    return relation(str)(currency)


async def apart(
    places: Sequence[Place | Exception], read: Callable[[Place, list[int]], Awaitable[Sequence[Any]]]
) -> list[Any]:
    """Call `read` once for the objects of each place, all places at once. An exception stays where it is."""
    first = places[0] if places else None
    if first is not None and not isinstance(first, Exception) and places.count(first) == len(places):
        return list(await read(first, list(range(len(places)))))
    found: list[Any] = list(places)
    alike: dict[Place, list[int]] = {}
    for index, place in enumerate(places):
        if not isinstance(place, Exception):
            alike.setdefault(place, []).append(index)

    async def of(place: Place, indices: list[int]) -> None:
        for index, value in zip(indices, await read(place, indices), strict=True):
            found[index] = value

    await asyncio.gather(*(of(place, indices) for place, indices in alike.items()))
    return found


async def each(found: Sequence[Awaitable[Any]]) -> list[Any]:
    """Return the values of awaitables; an exception replaces the value that raised it."""
    values = await asyncio.gather(*found, return_exceptions=True)
    for value in values:
        if isinstance(value, BaseException) and not isinstance(value, Exception):
            raise value
    return list(values)
