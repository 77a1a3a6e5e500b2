"""A schema without bingo: books, authors and shelves. Every value may be faulty.

Nothing is stored. The world's seed, the object and the name of the field decide a field's value. Therefore two runs of
one operation meet the same values and the same faults, in whatever order they read them.
"""

import asyncio
import inspect
import random
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Generic, NewType, TypeVar

import strawberry
from graphql import GraphQLError, Undefined
from strawberry import Info
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from engine.batch_hint import BATCH_HINT, BatchHint, Expression, Items, Nested, RowField, RowList

ItemT = TypeVar("ItemT")
DEEPEST = 5


class Refused(Exception):
    """A fault that the world has on purpose."""


class Later:
    """A value that must be awaited, any number of times."""

    def __init__(self, draw: Callable[[], Any]) -> None:
        self._draw = draw

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self._draw()

    def __repr__(self) -> str:
        return "<Later>"


@dataclass(eq=False)
class World:
    """The world of one run. `rate` is the percentage of faulty values; `calls` counts resolvers by source."""

    seed: int
    rate: int = 0
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    made: list[Coroutine[Any, Any, Any]] = field(default_factory=list)

    def draw(self, *place: object) -> random.Random:
        """Return the random numbers of one place."""
        return random.Random(zlib.crc32(repr((self.seed, *place)).encode()))

    def value(self, kind: str, key: str, name: str, depth: int = 0) -> Any:
        """Return the value of an object's field: a value of its kind or a fault, now or later."""

        def now() -> Any:
            # It is drawn anew each time, so that every reader gets the same value.
            drawn = self.draw(key, name, "value")
            if at_fault:
                return fault(drawn, kind)
            return KINDS[kind](self, drawn, f"{key}.{name}", depth)

        chance = self.draw(key, name)
        at_fault = chance.randrange(100) < self.rate
        late = chance.randrange(6)
        if late == 0:
            return Later(now)
        if late == 1:
            self.made.append(_soon(now))
            return self.made[-1]
        return now()

    def at_once(self, kind: str, key: str, name: str, depth: int = 0) -> Any:
        """Return the same value, but never later."""
        found = self.value(kind, key, name, depth)
        if asyncio.iscoroutine(found):
            found.close()
        return None if hasattr(found, "__await__") else found

    def catalogue(self, key: str, count: int) -> Any:
        """Return rows of the catalogue as their expressions promise them. In a faulty world some lack a column."""
        rows: list[Any] = []
        for place in range(min(max(count, 0), 20)):
            chance = self.draw(key, place)
            faulty = chance.randrange(100) < self.rate
            row = Entry(
                number=chance.choice([2**31, -(2**40)]) if faulty and chance.randrange(2) else chance.randrange(100),
                title=_text(self, chance, key, 0),
                shelf=chance.choice(["A", "B", "C"]) if not faulty else None,
                loans=chance.choice([None, 3, 2**31 if faulty else 4]),
                lent=chance.choice([True, False]),
                code=chance.choice(["x", ""]),
                note=chance.choice([None, 1]),
            )
            if faulty and chance.randrange(3) == 0:
                del row.title
            rows.append(row)
        return Entries(rows)

    def dropped(self) -> int:
        """Return how many coroutines were never awaited, and close them, so that they cause no later warning."""
        dropped = [made for made in self.made if inspect.getcoroutinestate(made) == inspect.CORO_CREATED]
        for made in dropped:
            made.close()
        return len(dropped)


async def _soon(draw: Callable[[], Any]) -> Any:
    await asyncio.sleep(0)
    return draw()


def fault(chance: random.Random, kind: str) -> Any:
    """Return a value that is not of its kind, or raise."""
    number = chance.randrange(16)
    if number == 0:
        raise Refused(f"no {kind}")
    if number == 1:
        raise GraphQLError(f"no {kind} here", extensions={"code": "REFUSED", "kind": kind})
    if number < 6:
        return None
    if number == 6:
        return Undefined
    if number == 7:
        return Refused(f"{kind} is a fault itself")
    if number == 8:
        return GraphQLError(f"{kind} is refused", extensions={"code": "REFUSED"})
    return chance.choice(
        [
            2**31, -(2**31) - 1, 2**70, float("nan"), float("inf"), -float("inf"), 1.5, 7.0, True, "", "12", "text",
            b"bytes", [], [None], {}, {"name": "x"}, (1, 2), ..., object, Genre.POETRY, "POETRY", {3}, -1, 0,
        ]
    )  # fmt: skip


class Drawn:
    """An object whose attributes are drawn when they are read. `Kinds` has the kind of each attribute."""

    Kinds: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        kinds = type(self).Kinds
        if name not in kinds:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        world: World = self.__dict__["_world"]
        return world.value(kinds[name], self.__dict__["key"], name, self.__dict__["_depth"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__dict__.get('key')}>"

    @classmethod
    def on(cls, world: World, key: str, depth: int = 0) -> Any:
        """Return the object of a key."""
        made = cls.__new__(cls)
        made.__dict__.update(_world=world, key=key, _depth=depth)
        return made


def _called(info: Info[World, Any], source: Any) -> None:
    path = ".".join(str(part) for part in info.path.as_list())
    info.context.calls[getattr(source, "key", "root"), info.field_name, path] += 1


# Scalars and enums


@strawberry.enum
class Genre(Enum):
    """The genre of a book."""

    NOVEL = "novel"
    POETRY = "poetry"
    ESSAY = strawberry.enum_value("essay", name="ESSAYS")


def _price(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{type(value).__name__} is no price")
    if value < 0:
        raise GraphQLError("a price is not negative", extensions={"code": "PRICE"})
    return f"{value // 100}.{value % 100:02}"


def _mark(value: Any) -> Any:
    return None if value == "" else str(value)


Price = NewType("Price", int)
Mark = NewType("Mark", str)
Code = NewType("Code", str)
Anything = NewType("Anything", object)
SCALARS: dict[object, Any] = {
    Price: strawberry.scalar(name="Price", serialize=_price, parse_value=int),
    Mark: strawberry.scalar(name="Mark", serialize=_mark, parse_value=str),
    Code: strawberry.scalar(name="Code", serialize=str, parse_value=str),
    Anything: strawberry.scalar(name="Anything", serialize=repr, parse_value=lambda value: value),
}


# Input


@strawberry.input
class Range:
    """From one number to another."""

    low: int = 0
    high: int | None = 9
    marks: list[str] = strawberry.field(default_factory=lambda: ["a"])


@strawberry.input(one_of=True)
class Which:
    """One of two ways to name a book."""

    title: strawberry.Maybe[str]
    number: strawberry.Maybe[int]


# Objects


@strawberry.interface
class Named(Drawn):
    """Anything that has a name."""

    id: strawberry.ID
    name: str | None

    @strawberry.field
    def loud(self, info: Info[World, Any], times: int = 1) -> str:
        """The name, shouted."""
        _called(info, self)
        return info.context.value("text", self.key, "loud") if times == 1 else "!" * min(times, 3)


class Fair(BasePermission):
    """Lets some in."""

    message = "This is not for you."
    error_extensions = {"code": "FORBIDDEN"}

    async def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        world: World = info.context
        return world.draw(getattr(source, "key", "root"), "fair").randrange(100) >= world.rate


class Twice(FieldExtension):
    """Says a text twice."""

    def resolve(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        found = next_(source, info, **kwargs)
        return found if not isinstance(found, str) else found * 2


def _of_one(kind: str, name: str) -> Callable[..., Any]:
    def read(root: Any, info: Info[World, Any]) -> Any:
        return info.context.value(kind, root.key, name, root._depth + 1)

    return read


def _at_once(kind: str, name: str) -> Callable[..., Any]:
    def read(root: Any, info: Info[World, Any]) -> Any:
        return info.context.at_once(kind, root.key, name, root._depth + 1)

    return read


_tint, _weight, _sequel = _at_once("text", "tint"), _of_one("number", "weight"), _of_one("book", "sequel")


async def _of_many(sources: Sequence[Any], info: Info[World, Any], near: int = 1, of: Genre | None = None) -> list[Any]:
    await asyncio.sleep(0)
    found: list[Any] = []
    for source in sources:
        try:
            value = info.context.value("book", source.key, f"near{near}{of}", source._depth + 1)
            found.append(await value if hasattr(value, "__await__") else value)
        except Exception as error:
            found.append(error)
    return found


@strawberry.type
class Author(Named):
    """A writer."""

    Kinds = {
        "id": "text", "name": "text", "age": "number", "alive": "truth", "books": "books", "fame": "real",
        "best": "book", "rival": "author", "works": "works",
    }  # fmt: skip
    age: int | None
    alive: bool
    fame: float | None
    books: list["Book"] | None
    best: "Book"
    rival: "Author | None"
    works: list["Work | None"]

    @strawberry.field
    async def friends(
        self, info: Info[World, Any], first: int = 2, marks: list[str | None] | None = None
    ) -> list["Author | None"]:
        """Other authors."""
        _called(info, self)
        await asyncio.sleep(0)
        if first < 0:
            raise Refused(f"first is {first}")
        found = info.context.value("authors", self.key, f"friends{marks and len(marks)}", self._depth + 1)
        return await found if hasattr(found, "__await__") else found


@strawberry.type
class Book(Named):
    """A book."""

    Kinds = {
        "id": "text", "name": "text", "title": "text", "pages": "number", "genre": "genre", "price": "price",
        "mark": "mark", "code": "text", "author": "author", "coauthors": "authors", "lines": "lines", "extra": "any",
        "rating": "real", "fresh": "truth", "owner": "named",
    }  # fmt: skip
    title: str
    pages: int
    genre: Genre
    price: Price | None
    mark: Mark
    code: Code
    rating: float
    fresh: bool | None
    extra: Anything | None
    author: Author | None
    coauthors: list[Author]
    lines: list[list[int] | None]
    owner: Named | None
    tint: str = strawberry.field(resolver=_tint, metadata={BATCH_HINT: BatchHint(read=_tint, waits=False)})
    weight: int | None = strawberry.field(resolver=_weight, metadata={BATCH_HINT: BatchHint(read=_weight)})
    sequel: "Book | None" = strawberry.field(resolver=_sequel, metadata={BATCH_HINT: BatchHint(read=_sequel)})

    async def _near(self, info: Info[World, Any], near: int = 1, of: Genre | None = None) -> "Book":
        (found,) = await _of_many([self], info, near, of)
        if isinstance(found, Exception):
            raise found
        return found

    near: "Book" = strawberry.field(resolver=_near, metadata={BATCH_HINT: BatchHint(many=_of_many)})

    @strawberry.field(permission_classes=[Fair])
    def secret(self, info: Info[World, Any]) -> str | None:
        """For some."""
        _called(info, self)
        return info.context.at_once("text", self.key, "secret")

    @strawberry.field(extensions=[Twice()])
    def echo(self, info: Info[World, Any], text: str = "x") -> str:
        """The text, twice."""
        _called(info, self)
        return f"{text}{info.context.draw(self.key, 'echo').randrange(9)}"


@strawberry.type
class Map:
    """A map: no book, and it knows its own type."""

    area: float | None
    scale: int

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        if not isinstance(value, Sheet):
            return False
        world: World = info.context
        if world.draw(value.key, "kind").randrange(100) < world.rate:
            raise Refused("of no kind")
        return True


class Sheet(Drawn):
    """A part of a map."""

    Kinds = {"area": "real", "scale": "number"}


Work = Annotated[Book | Author | Map, strawberry.union("Work")]


@strawberry.type
class Listing(Generic[ItemT]):
    """Some of many."""

    items: list[ItemT]
    maybe: list[ItemT | None] | None
    first: ItemT | None
    total: int


# Objects of which only rows exist


@dataclass
class Entry:
    """A row of the catalogue."""

    number: int
    title: str
    shelf: str | None
    loans: int | None
    lent: bool
    code: str
    note: object


class Entries(RowList):
    """Catalogue entries on rows. `broken`, one of the rows lacks a column that an expression reads."""

    EXPRESSIONS = {
        "number": Expression("row.number", int, nullable=False),
        "id": Expression("row.number", int, nullable=False),
        "title": Expression("row.title", str, nullable=False),
        "shelf": Expression("row.shelf", str),
        "mustShelf": Expression("row.shelf", str),
        "loans": Expression("row.loans", int),
        "loansId": Expression("row.loans", int),
        "lent": Expression("row.lent", bool, nullable=False),
        "code": Expression("row.code", str, nullable=False),
        "spine": Expression("spine(row)", serialized=True, names={"spine": lambda row: _spine(row)}),
    }

    def __init__(self, rows: list[Any], shape: str = "entries") -> None:
        super().__init__(rows, shape)

    def object(self, row: Any) -> Any:
        return Listed(row)

    def expression(self, name: str) -> Expression | None:
        return self.EXPRESSIONS.get(name)


def _spine(row: Entry) -> str | None:
    if row.number % 7 == 3:
        return None
    return f"{row.title}/{row.number % 5}"


class Listed:
    """An entry on its row."""

    def __init__(self, row: Entry) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        row = self.__dict__["_row"]
        if name == "spine":
            return _spine(row)
        at = {"must_shelf": "shelf", "id": "number", "loans_id": "loans"}.get(name, name)
        return getattr(row, at)


@dataclass
class EntryPageRow:
    """A row of a page: the entries on it."""

    entries: "Entries"
    number: int


PAIR: Mapping[str, RowField] = {
    "place": Expression("row[0]", int, nullable=False),
    "entry": Nested({name: each.over("row[1]") for name, each in Entries.EXPRESSIONS.items()}, complete=True),
}


class EntryPages(RowList):
    """Pages on rows. Each contains entries."""

    FIELDS: Mapping[str, RowField] = {
        "entries": Items("row.entries.rows", lambda name: Entries.EXPRESSIONS.get(name)),
        "pairs": Items("enumerate(row.entries.rows)", lambda name: PAIR.get(name)),
        "total": Expression("len(row.entries.rows)", int, nullable=False),
        "about": Nested({"number": Expression("row.number", int)}, null="row.number > 90"),
    }

    def __init__(self, rows: list[Any]) -> None:
        super().__init__(rows, "pages")

    def object(self, row: Any) -> Any:
        pairs = [EntryPair(place=place, entry=entry) for place, entry in enumerate(row.entries)]
        about = None if row.number > 90 else About(number=row.number)
        return EntryPage(entries=row.entries, pairs=pairs, total=len(row.entries), about=about)

    def weights(self) -> list[int]:
        return [len(row.entries) + 1 for row in self.rows]

    def expression(self, name: str) -> RowField | None:
        return self.FIELDS.get(name)


def _entry_rows(entries: Sequence[Any]) -> list[Entry]:
    """Return the rows of entries, which need no object if they are rows so far."""
    return entries.rows if isinstance(entries, Entries) else [entry.__dict__["_row"] for entry in entries]


def _entry_place(row: Entry) -> str:
    return f"{row.number}/{row.code}"


async def _more_of_many(entries: Sequence[Any], info: Info[World, Any], first: int = 2) -> Sequence[Any]:
    await asyncio.sleep(0)
    world, found, failures = info.context, [], {}
    for place, row in enumerate(_entry_rows(entries)):
        if world.draw(_entry_place(row), "more").randrange(100) < world.rate:
            failures[place] = Refused("no more")
        found.append(EntryPageRow(world.catalogue(f"{_entry_place(row)} {first}", first), row.number))
    pages = EntryPages(found)
    return [failures.get(place, page) for place, page in enumerate(pages)] if failures else pages


async def _next_of_many(entries: Sequence[Any], info: Info[World, Any]) -> Sequence[Any]:
    found = [info.context.catalogue(f"{_entry_place(row)} next", 1).rows[0] for row in _entry_rows(entries)]
    following = Entries(found)
    return (
        [None if row.number == 7 else entry for row, entry in zip(found, following, strict=True)]
        if any(row.number == 7 for row in found)
        else following
    )


@strawberry.type
class About:
    """A part of a row."""

    number: int


@strawberry.type(name="Entry")
class EntryType:
    """An entry of the catalogue."""

    number: int
    id: strawberry.ID
    title: str
    shelf: str | None
    must_shelf: str
    loans: int | None
    loans_id: strawberry.ID | None
    lent: bool
    code: Code
    spine: str | None
    note: Anything | None

    @strawberry.field
    def length(self, info: Info[World, Any]) -> int:
        """The length of the title."""
        return len(self.title)

    async def _more(self, info: Info[World, Any], first: int = 2) -> "EntryPage | None":
        (found,) = await _more_of_many([self], info, first)
        if isinstance(found, Exception):
            raise found
        return found

    async def _next(self, info: Info[World, Any]) -> "EntryType | None":
        (found,) = await _next_of_many([self], info)
        return found

    more: "EntryPage | None" = strawberry.field(resolver=_more, metadata={BATCH_HINT: BatchHint(many=_more_of_many)})
    next: "EntryType | None" = strawberry.field(resolver=_next, metadata={BATCH_HINT: BatchHint(many=_next_of_many)})


@strawberry.type
class EntryPair:
    """An entry with its place."""

    place: int
    entry: EntryType


@strawberry.type
class EntryPage:
    """A page of entries."""

    entries: list[EntryType]
    pairs: list[EntryPair] | None
    total: int
    about: About | None


# What is drawn, by kind


def _text(world: World, chance: random.Random, key: str, depth: int) -> Any:
    return chance.choice(["Ulysses", "", "né", '\u2028 "x"', "Emma"])


def _number(world: World, chance: random.Random, key: str, depth: int) -> Any:
    return chance.choice([0, 1, -7, 2**31 - 1, -(2**31), 4.0])


def _few(of: str) -> Callable[..., Any]:
    def some(world: World, chance: random.Random, key: str, depth: int) -> Any:
        # An item may be at fault for itself, and may come later than the others.
        places = range(0 if depth > DEEPEST else chance.choice([0, 1, 2, 3, 4]))

        def draw(place: int) -> Any:
            return world.value(of, key, str(place), depth + 1)

        def one_by_one() -> Iterator[Any]:
            for place in places:
                yield draw(place)

        async def slowly() -> AsyncIterator[Any]:
            for place in places:
                await asyncio.sleep(0)
                yield draw(place)

        match chance.randrange(8):
            case 0:
                return one_by_one()
            case 1:
                return slowly()
        found: list[Any] = []
        for place in places:
            try:
                found.append(draw(place))
            except Exception as error:
                found.append(error)
        return tuple(found) if chance.randrange(4) == 0 else found

    return some


def _either(*kinds: str) -> Callable[..., Any]:
    def one(world: World, chance: random.Random, key: str, depth: int) -> Any:
        return KINDS[chance.choice(kinds)](world, chance, key, depth)

    return one


def _object(of: Callable[[], Any]) -> Callable[..., Any]:
    return lambda world, chance, key, depth: of().on(world, key, depth)


class _Late(Author):
    """An author some of whose attributes cannot be read at all."""

    @property
    def age(self) -> Any:  # type: ignore[override]
        raise Refused("nobody's business")


KINDS: dict[str, Callable[..., Any]] = {
    "text": _text,
    "number": _number,
    "real": lambda world, chance, key, depth: chance.choice([0.0, -1.5, 1e300, 3]),
    "truth": lambda world, chance, key, depth: chance.choice([True, False]),
    "genre": lambda world, chance, key, depth: chance.choice(list(Genre)),
    "price": lambda world, chance, key, depth: chance.choice([0, 250, 2**40]),
    "mark": lambda world, chance, key, depth: chance.choice(["m", "mm"]),
    "any": lambda world, chance, key, depth: chance.choice([1, "x", [1], {"a": None}]),
    "author": lambda world, chance, key, depth: chance.choice([Author, Author, _Late]).on(world, key, depth),
    "book": _object(lambda: Book),
    "sheet": _object(lambda: Sheet),
    "named": _either("author", "book"),
    "work": _either("author", "book", "sheet"),
    "books": _few("book"),
    "authors": _few("author"),
    "works": _few("work"),
    "nameds": _few("named"),
    "numbers": _few("number"),
    "lines": _few("numbers"),
    "shelves": _few("books"),
}


class Shelving(Drawn):
    """A listing that is drawn."""

    Kinds = {"items": "books", "maybe": "books", "first": "book", "total": "number"}


class Naming(Drawn):
    """The same, of authors."""

    Kinds = {"items": "authors", "maybe": "authors", "first": "author", "total": "number"}


def _resolved(kind: str, name: str) -> Callable[..., Any]:
    def resolver(info: Info[World, Any]) -> Any:
        _called(info, None)
        return info.context.value(kind, "root", name)

    return resolver


@strawberry.type
class Query:
    """Where one enters."""

    author: Author | None = strawberry.field(resolver=_resolved("author", "author"))
    must: Author = strawberry.field(resolver=_resolved("author", "must"))
    books: list[Book] | None = strawberry.field(resolver=_resolved("books", "books"))
    maybes: list[Book | None] | None = strawberry.field(resolver=_resolved("books", "maybes"))
    works: list[Work] | None = strawberry.field(resolver=_resolved("works", "works"))
    work: Work | None = strawberry.field(resolver=_resolved("work", "work"))
    nameds: list[Named | None] | None = strawberry.field(resolver=_resolved("nameds", "nameds"))
    lines: list[list[int | None]] | None = strawberry.field(resolver=_resolved("lines", "lines"))
    shelves: list[list[Book] | None] | None = strawberry.field(resolver=_resolved("shelves", "shelves"))
    map: Map | None = strawberry.field(resolver=_resolved("sheet", "map"))

    @strawberry.field
    async def shelf(self, info: Info[World, Any]) -> Listing[Book] | None:
        """A listing of books."""
        _called(info, self)
        return Shelving.on(info.context, "shelf")

    @strawberry.field
    def people(self, info: Info[World, Any]) -> Listing[Author]:
        """A listing of authors."""
        _called(info, self)
        return Naming.on(info.context, "people")

    @strawberry.field
    def book(self, info: Info[World, Any], which: Which | None = None, of: Genre = Genre.NOVEL) -> Book | None:
        """One book."""
        _called(info, self)
        description = (
            "" if which is None else f"{which.title and which.title.value}{which.number and which.number.value}"
        )
        return info.context.value("book", "root", f"book{description}{of}")

    @strawberry.field
    def count(
        self,
        info: Info[World, Any],
        within: Range,
        others: list[Range] | None = None,
        genres: list[Genre] | None = None,
    ) -> list[str | None]:
        """The arguments as a number."""
        _called(info, self)
        return [str(within), *map(str, others or ()), None if genres is None else str(genres)]

    @strawberry.field
    def entries(self, info: Info[World, Any], first: int = 4) -> list[EntryType] | None:
        """The catalogue."""
        return info.context.catalogue("entries", first)

    @strawberry.field
    async def racks(self, info: Info[World, Any]) -> list[list[EntryType] | None] | None:
        """The catalogue, rack by rack."""
        await asyncio.sleep(0)
        return [info.context.catalogue(f"rack{place}", 3) for place in range(3)]


schema = strawberry.Schema(query=Query, types=[Book, Author], config=StrawberryConfig(scalar_map=SCALARS))
