"""A relation: a field that is found for all objects of a level at once, and for one object as for a level of one."""

import asyncio
import typing
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeVar

import strawberry
from strawberry import Info
from strawberry.types.fields.resolver import Parameter, Signature

from engine.offer import OFFER, BatchHint
from resolvers.session import Session

Place = TypeVar("Place", bound=Hashable)


def relation(many: Callable[..., Any]) -> Any:
    """A field of a function that takes the objects of a level, and gives a list of what its annotation lists.

    An exception in the place of an object's value is that object's error.
    """
    signature = Signature.from_callable(many)
    _, *parameters = signature.parameters.values()
    (value,) = typing.get_args(signature.return_annotation)

    async def one(self: Any, info: Info[Session, Any], **arguments: Any) -> Any:
        (found,) = await many([self], info, **arguments)
        if isinstance(found, Exception):
            raise found
        return found

    itself = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    one.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[itself, *parameters], return_annotation=value
    )
    one.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": value}
    one.__name__, one.__qualname__, one.__doc__ = many.__name__, many.__qualname__, many.__doc__
    one.__module__ = many.__module__
    return strawberry.field(resolver=one, metadata={OFFER: BatchHint(many=many)})


async def apart(
    places: Sequence[Place | Exception], read: Callable[[Place, list[int]], Awaitable[Sequence[Any]]]
) -> list[Any]:
    """What `read` gives for the objects of each place, all places at once; an exception stays where it is."""
    found: list[Any] = list(places)
    alike: dict[Place, list[int]] = {}
    for index, place in enumerate(places):
        if not isinstance(place, Exception):
            alike.setdefault(place, []).append(index)

    async def of(place: Place, indices: list[int]) -> None:
        for index, value in zip(indices, await read(place, indices), strict=True):
            found[index] = value

    if len(alike) == 1:
        ((place, indices),) = alike.items()
        await of(place, indices)
    else:
        await asyncio.gather(*(of(place, indices) for place, indices in alike.items()))
    return found


async def each(found: Sequence[Awaitable[Any]]) -> list[Any]:
    """The values of awaitables, or what they raised."""
    values = await asyncio.gather(*found, return_exceptions=True)
    for value in values:
        if isinstance(value, BaseException) and not isinstance(value, Exception):
            raise value
    return list(values)
