"""Declare the figures of totals: which columns of the rows each one reads, and how it is read from their sums."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import strawberry
from strawberry import Info
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from engine.batch_hint import BATCH_HINT, BatchHint
from resolvers.session import Session
from resolvers.totals import AddedFigure, BucketSums, Distinct, Extent, Signed, Sum, ratio
from schema.mapping.errors import BadUserInput
from schema.scalars import DateTime, Decimal
from upstream.values.figures import EXACT
from upstream.values.money import written

_FIGURE = "figure"


@dataclass(frozen=True, slots=True)
class TotalFigure:
    """A figure of a totals object: what is added up for it, and how its value is read from the sums."""

    aggregates: tuple[AddedFigure, ...]
    value: Callable[[Any], Any]

    @property
    def columns(self) -> frozenset[str]:
        """Return the columns that it reads."""
        return frozenset(name for each in self.aggregates for name in each.columns)

    def read(self, totals: Any, info: Any = None) -> Any:
        """Return its value. Raise the error of a column that it needs."""
        for name in self.columns:
            if (error := totals.failed.get(name)) is not None:
                raise error
        return self.value(totals)


class FigureField(StrawberryField):
    """A field of the graph that reads a figure."""

    @property
    def is_basic_field(self) -> bool:
        return False

    def get_result(self, source: Any, info: Info[Session, Any] | None, args: list[Any], kwargs: Any) -> Any:
        return self.metadata[_FIGURE].read(source)


class TotalsObject:
    """The totals of some rows. `failed` has the error of each column that could not be read."""

    figures: ClassVar[dict[str, TotalFigure]] = {}
    added: BucketSums
    failed: Mapping[str, Exception]
    session: Session

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.figures = {
            to_camel_case(name): value.metadata[_FIGURE]
            for name, value in vars(cls).items()
            if isinstance(value, FigureField)
        }

    @classmethod
    def on(cls, added: BucketSums, failed: Mapping[str, Exception], session: Session) -> Self:
        """Return the totals that have these sums."""
        totals = cls.__new__(cls)
        totals.added, totals.failed, totals.session = added, failed, session
        return totals

    def of(self, aggregate: AddedFigure) -> Any:
        """Return what was added up."""
        return self.added.figures[aggregate]


@strawberry.type
class CurrencySum:
    """Amounts of one currency, added up. Amounts of different currencies are never added."""

    currency: str | None = strawberry.field(description="The currency of the amounts; null if no report names it.")
    credits: Decimal = strawberry.field(description="The sum of the positive amounts.")
    debits: Decimal = strawberry.field(description="The sum of the negative amounts, as a positive figure.")
    net: Decimal = strawberry.field(description="The sum of all amounts: credits less debits.")
    smallest: Decimal | None = strawberry.field(description="The smallest amount.")
    largest: Decimal | None = strawberry.field(description="The largest amount.")


@strawberry.type
class CurrencyAmount:
    """Amounts of one currency, added up as the report has them: without a sign."""

    currency: str | None = strawberry.field(description="The currency of the amounts; null if no report names it.")
    amount: Decimal = strawberry.field(description="The sum of the amounts.")


def count(description: str) -> Any:
    """Declare the number of rows."""
    return _field(TotalFigure((), lambda totals: totals.added.count), description)


def distinct(column: str, description: str, *, within: str | None = None) -> Any:
    """Declare the number of distinct values of a column. Equal values within different values of `within` are two."""
    aggregate = Distinct(column, within)
    return _field(TotalFigure((aggregate,), lambda totals: len(totals.of(aggregate))), description)


def number(column: str, description: str) -> Any:
    """Declare the sum of a column of whole numbers; null if no row has one."""
    aggregate = Sum(column)

    def value(totals: TotalsObject) -> int | None:
        found = totals.of(aggregate)
        return None if found is None else int(found)

    return _field(TotalFigure((aggregate,), value), description)


def amount(column: str, description: str, *, within: str = "") -> Any:
    """Declare the sum of a column of amounts; null if no row has one.

    The amounts of rows with different values of the column `within` may have different currencies: they have no sum.
    """
    aggregate = Sum(column)
    if not within:
        return _field(TotalFigure((aggregate,), lambda totals: _text(totals.of(aggregate))), description)
    places = Distinct(f"{within}.id")

    def value(totals: TotalsObject) -> str | None:
        if len(totals.of(places)) > 1:
            raise BadUserInput(
                f"{column}: the amounts of several {within}s may have different currencies, and have no sum. Use "
                f"buckets by {within.upper()}, or ask for one {within}."
            )
        return _text(totals.of(aggregate))

    return _field(TotalFigure((aggregate, places), value), description)


def sure_amount(column: str, description: str) -> Any:
    """Declare the sum of a column of amounts; "0.00" for no rows."""
    aggregate = Sum(column)
    return _field(TotalFigure((aggregate,), lambda totals: written(totals.of(aggregate) or _ZERO)), description)


def difference(column: str, other: str, description: str) -> Any:
    """Declare the sum of a column less that of another."""
    one, two = Sum(column), Sum(other)

    def value(totals: TotalsObject) -> str:
        return written(EXACT.subtract(totals.of(one) or _ZERO, totals.of(two) or _ZERO))

    return _field(TotalFigure((one, two), value), description)


def quotient(column: str, other: str, description: str) -> Any:
    """Declare the sum of a column divided by that of another; null if that is zero."""
    one, two = Sum(column), Sum(other)

    def value(totals: TotalsObject) -> str | None:
        found = ratio(totals.of(one) or _ZERO, totals.of(two) or _ZERO)
        return None if found is None else f"{found:f}"

    return _field(TotalFigure((one, two), value), description)


def signed_sums(column: str, description: str) -> Any:
    """Declare the sums of signed amounts, one for each currency."""
    aggregate = Signed(column, CURRENCY)

    def value(totals: TotalsObject) -> list[CurrencySum]:
        return [
            CurrencySum(
                currency=currency,
                credits=Decimal(written(each.credits)),
                debits=Decimal(written(each.debits)),
                net=Decimal(written(each.net)),
                smallest=Decimal(written(each.smallest)),
                largest=Decimal(written(each.largest)),
            )
            for currency, each in _by_currency(totals.of(aggregate))
        ]

    return _field(TotalFigure((aggregate,), value), description)


def plain_sums(column: str, description: str) -> Any:
    """Declare the sums of amounts without a sign, one for each currency."""
    aggregate = Signed(column, CURRENCY)

    def value(totals: TotalsObject) -> list[CurrencyAmount]:
        return [
            CurrencyAmount(currency=currency, amount=Decimal(written(each.net)))
            for currency, each in _by_currency(totals.of(aggregate))
        ]

    return _field(TotalFigure((aggregate,), value), description)


def earliest(column: str, description: str) -> Any:
    """Declare the first moment of a column; null if there is none."""
    return _moment(column, 0, description)


def latest(column: str, description: str) -> Any:
    """Declare the last moment of a column; null if there is none."""
    return _moment(column, 1, description)


CURRENCY = "currency"
_ZERO = EXACT.create_decimal(0)


def _moment(column: str, place: int, description: str) -> Any:
    aggregate = Extent(column)

    def value(totals: TotalsObject) -> DateTime | None:
        found = totals.of(aggregate)
        return None if found is None else DateTime(totals.session.moment(found[place]))

    return _field(TotalFigure((aggregate,), value), description)


def _by_currency(found: Mapping[str | None, Any]) -> list[tuple[str | None, Any]]:
    """Return the sums by currency, an unknown currency last."""
    return sorted(found.items(), key=lambda item: (item[0] is None, item[0] or ""))


def _text(value: Any) -> str | None:
    return None if value is None else written(value)


def _field(figure: TotalFigure, description: str) -> Any:
    hint = BatchHint(read=figure.read, waits=False)
    return FigureField(description=description, metadata={_FIGURE: figure, BATCH_HINT: hint})
