"""A schema of its own, for the tests of tables: books with titles that a format may stumble over."""

import datetime
import decimal
from enum import Enum

import strawberry
from graphql import DirectiveLocation, GraphQLDirective, GraphQLError
from strawberry import ID, Info
from strawberry.schema.config import StrawberryConfig

from upstream.values.money import amount

TITLES = ["plain", "=1+1", "+2", "-3", "@x", "\ttab", "\rreturn", 'quo"te', "com,ma", "line\r\nbreak", "", None, "ñ√😀"]
# Python's own context rounds to 28 digits.
EXACT = decimal.Context(prec=100)
BROKEN_DAY = datetime.date(2026, 3, 3)


@strawberry.enum
class Cover(Enum):
    HARD = "hard"
    SOFT = "soft"
    NONE = "none"


@strawberry.input
class Dates:
    from_: datetime.date = strawberry.field(name="from")
    to: datetime.date


@strawberry.input
class Between:
    from_: datetime.datetime = strawberry.field(name="from")
    until: datetime.datetime


@strawberry.input
class Period:
    frame: str | None = None
    dates: Dates | None = None
    between: Between | None = None


@strawberry.type
class Author:
    id: ID
    name: str | None


@strawberry.type
class Book:
    id: ID
    title: str | None
    price: decimal.Decimal | None
    pages: int | None
    lent: bool | None
    cover: Cover | None
    printed: datetime.date | None
    read_at: datetime.datetime | None
    grades: list[int] | None
    author: Author | None
    copies: list[Author]


@strawberry.type
class Shelf:
    id: ID
    books: list[Book]


def books(count: int, price: str = "5.00") -> list[Book]:
    """So many of them; every third has nothing but an id and no title."""
    return [
        Book(
            id=ID(str(number)),
            title=TITLES[number % len(TITLES)],
            price=None if number % 3 == 2 else EXACT.multiply(decimal.Decimal(price), number),
            pages=None if number % 3 == 2 else number,
            lent=None if number % 3 == 2 else number % 2 == 0,
            cover=None if number % 3 == 2 else list(Cover)[number % 2],
            printed=None if number % 3 == 2 else datetime.date(2026, 1, 1 + number % 28),
            read_at=None if number % 3 == 2 else datetime.datetime(2026, 1, 1, 1, tzinfo=PLUS_ONE),
            grades=None if number % 3 == 2 else [number, 2],
            author=None if number % 3 == 2 else Author(id=ID("1"), name="Ann"),
            copies=[],
        )
        for number in range(count)
    ]


PLUS_ONE = datetime.timezone(datetime.timedelta(hours=1))


@strawberry.type
class Query:
    @strawberry.field
    def books(self, count: int = 13, price: str = "5.00", ids: list[ID] | None = None) -> list[Book]:
        return [book for book in books(count, price) if ids is None or book.id in ids]

    @strawberry.field
    def shelves(self, cover: Cover = Cover.HARD) -> list[Shelf]:
        return [Shelf(id=ID(str(number)), books=books(number)) for number in range(4)]

    @strawberry.field
    def shelf(self, id: ID) -> Shelf | None:
        return Shelf(id=id, books=books(2)) if id == "1" else None

    @strawberry.field
    def loans(self, info: Info, during: Period | None = None, count: int = 5) -> list[Book] | None:
        assert during is not None
        if info.context is not None:
            info.context.append(during)
        if during.dates is not None and during.dates.from_ == BROKEN_DAY:
            raise GraphQLError("The library is closed.", extensions={"code": "UPSTREAM_ERROR"})
        return books(count)


# As the graph writes money.
MONEY = strawberry.scalar(name="Decimal", serialize=lambda value: amount(f"{value:f}"), parse_value=decimal.Decimal)
schema = strawberry.Schema(Query, config=StrawberryConfig(scalar_map={decimal.Decimal: MONEY}))
schema._schema.directives = (*schema._schema.directives, GraphQLDirective("rows", [DirectiveLocation.FIELD]))

BOOKS = """# All books.
query Books($count: Int = 13, $price: String = "5.00", $ids: [ID!]) {
  books(count: $count, price: $price, ids: $ids) @rows {
    id title price pages lent cover printed readAt grades author { name } byline: author { id }
  }
}"""
SHELVES = """# The books of every shelf.
query Shelves($cover: Cover = HARD) { shelves(cover: $cover) { id place: id books @rows { id author { name } } } }"""
ONE = """# One shelf.
query OneShelf($shelf: ID!) { shelf(id: $shelf) { id books @rows { id } } }"""
LOANS = """# Loans, day by day.
query Loans($during: Period = { frame: "YESTERDAY" }, $count: Int = 5) {
  loans(during: $during, count: $count) @rows { id price }
}"""
