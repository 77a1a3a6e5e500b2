"""A schema that has nothing to do with bingo, for tests that hold for any schema."""

import asyncio
import decimal

import strawberry
from graphql import GraphQLError


class SlowFieldCounts:
    """The number of slow fields that began, ended and were cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.cancelled = 0


@strawberry.input
class Span:
    """The days from one day to another."""

    start: str
    days: int = 1


@strawberry.type
class Room:
    """A room."""

    name: str

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("secret-of-the-field")

    @strawberry.field
    def locked(self) -> str | None:
        raise GraphQLError("The room is locked.", extensions={"code": "LOCKED"})


@strawberry.type
class Query:
    """The queries."""

    @strawberry.field
    def room(self, name: str = "hall") -> Room | None:
        return Room(name=name)

    @strawberry.field
    def must(self) -> str:
        raise GraphQLError("There is none.")

    @strawberry.field
    def double(self, number: int) -> int:
        return number * 2

    @strawberry.field
    def price(self) -> decimal.Decimal:
        return decimal.Decimal("5.00")

    @strawberry.field
    def span(self, span: Span | None = None, ids: list[strawberry.ID] | None = None) -> str:
        return f"{span.start}+{span.days}" if span else ",".join(ids or ())

    @strawberry.field
    async def slow(self, info: strawberry.Info, seconds: float) -> bool:
        visits: SlowFieldCounts = info.context
        visits.begun += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            visits.cancelled += 1
            raise
        visits.ended += 1
        return True


@strawberry.type
class Mutation:
    """The mutations."""

    @strawberry.mutation
    def paint(self, colour: str) -> str:
        return colour


@strawberry.type
class Subscription:
    """The subscriptions."""

    @strawberry.subscription
    async def ticks(self) -> int:  # type: ignore[misc]
        yield 1


schema = strawberry.Schema(Query, Mutation, Subscription)
