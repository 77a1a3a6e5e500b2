"""Conditions on the items of a list, as a client writes them. Each operation converts them once.

The conditions of one object must all hold. `null` is refused where it stands for a condition or an operand, because it
may be a variable that was forgotten; a filter without an operator is refused for the same reason. A value that is
missing meets no condition. Texts are compared exactly, decimals as numbers and with all their digits.
"""

import decimal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import strawberry
from strawberry import ID, UNSET

from schema.mapping.errors import BadUserInput
from schema.mapping.lists.conditions import NO_CONDITIONS, Condition, Conditions
from schema.scalars import Decimal, parse_id
from schema.status import GameStatus

MOST_VALUES = 1000


@strawberry.input
class IdFilter:
    """A condition on an id. All operators that are given must hold."""

    eq: ID | None = strawberry.field(default=UNSET, description="The id is this one.")
    in_: list[ID] | None = strawberry.field(
        default=UNSET, name="in", description="The id is one of these, 1000 at most. An empty list selects nothing."
    )


@strawberry.input
class StringFilter:
    """A condition on a text, which is compared exactly. All operators that are given must hold."""

    eq: str | None = strawberry.field(default=UNSET, description="The text is this one.")
    in_: list[str] | None = strawberry.field(
        default=UNSET, name="in", description="The text is one of these, 1000 at most. An empty list selects nothing."
    )
    starts_with: str | None = strawberry.field(default=UNSET, description="The text begins with this one.")


@strawberry.input
class DecimalFilter:
    """A condition on a number, which is compared exactly: 5 equals 5.00. All operators that are given must hold."""

    eq: Decimal | None = strawberry.field(default=UNSET, description="The number equals this one.")
    lt: Decimal | None = strawberry.field(default=UNSET, description="The number is less than this one.")
    lte: Decimal | None = strawberry.field(default=UNSET, description="The number is at most this one.")
    gt: Decimal | None = strawberry.field(default=UNSET, description="The number is greater than this one.")
    gte: Decimal | None = strawberry.field(default=UNSET, description="The number is at least this one.")


def _condition(description: str) -> Any:
    return strawberry.field(default=UNSET, description=description)


@strawberry.input
class TransactionWhere:
    """Conditions on transactions. All of them must hold. A value that is missing meets no condition."""

    type: StringFilter | None = _condition("The type of the movement, such as `Bingo - Wager`.")
    amount: DecimalFilter | None = _condition("The amount as the user's wallet sees it: a wager is negative.")
    user: IdFilter | None = _condition("The user who made the movement.")
    group: IdFilter | None = _condition("The group that the movement was made in.")
    game: IdFilter | None = _condition("The game that the movement was made in.")
    ticket: IdFilter | None = _condition("The ticket that the movement was made for. Its id is compared as a text.")
    currency: StringFilter | None = _condition("The currency of the amount, such as `Real USD`.")


@strawberry.input
class GameLogWhere:
    """Conditions on game logs. All of them must hold."""

    provider: StringFilter | None = _condition("The code of the provider, such as `PRAGMATIC`.")
    game: StringFilter | None = _condition("The code of the game, such as `vs20doghouse`.")
    type: StringFilter | None = _condition("The kind of transaction, such as `BASE`.")
    user_code: StringFilter | None = _condition(
        "The user's code on Game History. `eq` and `in` find the logs of these users, however the log spells the code."
    )
    bet: DecimalFilter | None = _condition("The amount that the user bet.")
    win: DecimalFilter | None = _condition("The amount that the user won.")


@strawberry.input
class GameWhere:
    """Conditions on games. All of them must hold. A value that is missing meets no condition."""

    status: GameStatus | None = _condition("The status of the game.")
    room: IdFilter | None = _condition("The room that the game is played in.")
    configuration: IdFilter | None = _condition("The configuration of the game.")
    wagered: DecimalFilter | None = _condition("All money wagered in the game.")
    paid: DecimalFilter | None = _condition("All money paid to the winners.")


@strawberry.input
class FinancialMovementWhere:
    """Conditions on financial movements. All of them must hold. A value that is missing meets no condition."""

    type: list[int] | None = _condition("The type is one of these, 1000 at most. An empty list selects nothing.")
    subtype: list[int] | None = _condition("The subtype is one of these, 1000 at most. An empty list selects nothing.")
    group: IdFilter | None = _condition("The group that the movement was made in, not those below it.")
    user: IdFilter | None = _condition("The user who made the movement.")
    game: IdFilter | None = _condition("The game that the movement was made in.")
    amount: DecimalFilter | None = _condition("The amount as in the report: a wager has no sign.")


# The column that each condition tests, by its name in `column_values.py`. An id of another entity is a number.
COLUMNS: Mapping[type, Mapping[str, str]] = {
    TransactionWhere: {
        "type": "type", "amount": "amount", "user": "user.id", "group": "group.id", "game": "game.id",
        "ticket": "ticketId", "currency": "currency",
    },
    GameLogWhere: {
        "provider": "providerCode", "game": "gameCode", "type": "type", "user_code": "userCode", "bet": "bet",
        "win": "win",
    },
    GameWhere: {
        "status": "status", "room": "room.id", "configuration": "configuration.id", "wagered": "wagered",
        "paid": "paid",
    },
    FinancialMovementWhere: {
        "type": "type", "subtype": "subtype", "group": "group.id", "user": "user.id", "game": "game.id",
        "amount": "amount",
    },
}  # fmt: skip


def conditions(where: Any) -> Conditions:
    """Return the conditions of a `where`, none if it is None. Raise `BadUserInput` if one is not valid."""
    if not where:
        return NO_CONDITIONS
    columns = COLUMNS[type(where)]
    return Conditions(tuple(_of_filter(column, value, path) for column, value, path in _given(where, columns, "where")))


def _given(value: Any, names: Mapping[str, str], path: str) -> Iterator[tuple[str, Any, str]]:
    """Yield the parts that are given, by another name, each with its path for messages. Refuse null."""
    for name, other in names.items():
        part = getattr(value, name)
        if part is UNSET:
            continue
        graphql_name = _GRAPHQL_NAMES.get(name, name)
        if part is None:
            raise BadUserInput(f"{path}.{graphql_name}: null is not a condition; leave `{graphql_name}` out instead.")
        yield other, part, f"{path}.{graphql_name}"


_GRAPHQL_NAMES = {"in_": "in", "starts_with": "startsWith", "user_code": "userCode"}


def _of_filter(column: str, given: Any, path: str) -> Condition:
    if isinstance(given, GameStatus):
        return Condition.among(column, frozenset((given,)))
    if isinstance(given, list):
        return Condition.among(column, _values(given, path))
    operators = {name: (value, at) for name, value, at in _given(given, _OPERATORS[type(given)], path)}
    if not operators:
        names = ", ".join(_GRAPHQL_NAMES.get(name, name) for name in _OPERATORS[type(given)])
        raise BadUserInput(f"{path}: there is no operator; give one of {names}, or leave the filter out.")
    if isinstance(given, DecimalFilter):
        return _of_numbers(column, {name: decimal.Decimal(value) for name, (value, _) in operators.items()})
    as_number = isinstance(given, IdFilter) and column.endswith(".id")
    return _of_values(column, operators, parse_id if as_number else lambda value, _: str(value))


_OPERATORS: Mapping[type, Mapping[str, str]] = {
    IdFilter: {"eq": "eq", "in_": "in"},
    StringFilter: {"eq": "eq", "in_": "in", "starts_with": "startsWith"},
    DecimalFilter: {name: name for name in ("eq", "lt", "lte", "gt", "gte")},
}


def _values(given: list[Any], path: str) -> frozenset[Any]:
    if len(given) > MOST_VALUES:
        raise BadUserInput(f"{path}: {len(given)} values are too many; give up to {MOST_VALUES} at a time.")
    return frozenset(given)


def _of_values(
    column: str, operators: Mapping[str, tuple[Any, str]], parse: Callable[[Any, str], int | str]
) -> Condition:
    values: frozenset[Any] | None = None
    if "eq" in operators:
        values = frozenset((parse(*operators["eq"]),))
    if "in" in operators:
        some = frozenset(parse(value, operators["in"][1]) for value in _values(*operators["in"]))
        values = some if values is None else values & some
    if "startsWith" not in operators:
        assert values is not None
        return Condition.among(column, values)
    start = operators["startsWith"][0]
    if values is not None:
        return Condition.among(column, frozenset(value for value in values if value.startswith(start)))
    return Condition(column, lambda value: value is not None and value.startswith(start))


_COMPARISONS: Mapping[str, Callable[[decimal.Decimal], Callable[[Any], bool]]] = {
    "eq": lambda bound: lambda value: value == bound,
    "lt": lambda bound: lambda value: value < bound,
    "lte": lambda bound: lambda value: value <= bound,
    "gt": lambda bound: lambda value: value > bound,
    "gte": lambda bound: lambda value: value >= bound,
}


def _of_numbers(column: str, operators: Mapping[str, decimal.Decimal]) -> Condition:
    tests = [_COMPARISONS[name](bound) for name, bound in operators.items()]

    def meets(value: Any) -> bool:
        return value is not None and all(test(value) for test in tests)

    if "eq" not in operators:
        return Condition(column, meets)
    return Condition.among(column, frozenset(filter(meets, (operators["eq"],))))
