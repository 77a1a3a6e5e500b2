"""Define partial rows: rows with only the columns that are read, in which money and times may still be raw.

Partial rows of cached days are canonical already. A column of a partial row gives the canonical value, as the column of
a whole row does. Code that reads many rows reads the raw values, under `raw_` and the column's name, and makes them
canonical with the tables of `money.py` and `clock.py`.
"""

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec

from upstream.reports.rows import ColumnKind, Row
from upstream.values import clock, moment
from upstream.values.money import AMOUNTS


class RawForm(Enum):
    """Name the form of a raw column, the same in all rows of an answer."""

    AMOUNT = "numbers or texts"
    SECONDS = "whole unix seconds"
    ZULU = "texts with `Z`"
    LOCAL = "texts without an offset, in the system's time zone"


class PartialRow(Row):
    """Hold some columns of a row of type `of`. `forms` names the raw columns; `zone` is the system's time zone."""

    of: ClassVar[type[Row]] = Row
    forms: ClassVar[Mapping[str, RawForm]] = {}
    zone: ClassVar[ZoneInfo]


def report_row(kind: type[Row]) -> type[Row]:
    """Return the row type of the report, for a type of partial rows as well."""
    return kind.of if issubclass(kind, PartialRow) else kind


def form(kind: type[Row], column: str) -> RawForm | None:
    """Return the form of a raw column; None if the column is canonical."""
    return kind.forms.get(column) if issubclass(kind, PartialRow) else None


def values(rows: Sequence[Row], column: str) -> Iterable[Any]:
    """Return the canonical values of a column. All rows must have one type."""
    kind = type(rows[0])
    if form(kind, column) is not RawForm.AMOUNT:
        return list(map(attrgetter(column), rows))
    came = list(map(getter(kind, column), rows))
    try:
        return list(map(AMOUNTS.__getitem__, came))
    except TypeError:  # None is among them
        return list(map(_amount_or_none, came))


@lru_cache(maxsize=512)
def getter(kind: type[Row], *columns: str) -> Callable[[Any], Any]:
    """Return a getter of values that sort like the canonical ones. Raw values are cheaper to read."""
    return attrgetter(*(column if form(kind, column) is None else f"raw_{column}" for column in columns))


@lru_cache(maxsize=512)
def partial_row_type(
    row: type[Row], columns: frozenset[str], forms: frozenset[tuple[str, RawForm]] | None, zone: ZoneInfo
) -> Any:
    """Return the type of partial rows that holds these columns of a row type.

    `forms` are the forms of its moments; None says that all columns are canonical.
    """
    hints = typing.get_type_hints(row, include_extras=True)
    raw_forms = dict(forms or ())
    fields: list[Any] = []
    names: dict[str, str] = {}
    namespace: dict[str, Any] = {"of": row, "zone": zone}
    for field in msgspec.structs.fields(row):
        name, hint = field.name, hints[field.name]
        if name not in columns:
            continue
        kinds = [kind for kind in getattr(hint, "__metadata__", ()) if isinstance(kind, ColumnKind)]
        if kinds == [ColumnKind.MONEY] and forms is not None:
            raw_forms[name] = RawForm.AMOUNT
        if name in raw_forms:
            raw = f"raw_{name}"
            names[raw] = name
            namespace[name] = property(_CANONICAL[raw_forms[name]](raw, zone))
            name, hint = raw, _HINTS[raw_forms[name]]
        fields.append((name, hint) if field.required else (name, hint, field.default))
    namespace["forms"] = {name: how for name, how in raw_forms.items() if name in columns}
    return msgspec.defstruct(
        f"Partial{row.__name__}", fields, bases=(PartialRow,), namespace=namespace, rename=names, gc=False, kw_only=True
    )


def _amount_or_none(value: Any) -> str | None:
    return None if value is None else AMOUNTS[value]


def _amount(raw: str, zone: ZoneInfo) -> Callable[[Any], Any]:
    return lambda row: _amount_or_none(getattr(row, raw))


def _seconds(raw: str, zone: ZoneInfo) -> Callable[[Any], Any]:
    return lambda row: getattr(row, raw) * 1_000_000


def _text(zulu: bool) -> Callable[[str, ZoneInfo], Callable[[Any], Any]]:
    def made(raw: str, zone: ZoneInfo) -> Callable[[Any], Any]:
        reader = clock.reader(zone, zulu)

        def read(row: Any) -> int:
            text = getattr(row, raw)
            return reader.hours[text[:14]] + reader.rests[text[14:]]

        return read

    return made


_CANONICAL = {
    RawForm.AMOUNT: _amount,
    RawForm.SECONDS: _seconds,
    RawForm.ZULU: _text(True),
    RawForm.LOCAL: _text(False),
}
_HINTS: dict[RawForm, Any] = {
    RawForm.AMOUNT: Annotated[Any, "as it came"],
    RawForm.SECONDS: Annotated[int, msgspec.Meta(ge=moment.FIRST, le=moment.LAST)],
    RawForm.ZULU: str,
    RawForm.LOCAL: str,
}
