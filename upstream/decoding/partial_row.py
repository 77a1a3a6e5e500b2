"""Define partial rows: rows with only the columns that are read, in which money, codes and times may still be raw.

Partial rows of cached days are canonical already. A column of a partial row gives the canonical value, as the column of
a whole row does. Code that reads many rows reads the raw values, under `raw_` and the column's name, and makes them
canonical with the tables of `money.py` and `clock.py`.

Raw times and codes are known to be regular. Raw amounts are not: the code that writes or adds up amounts checks each of
them, and everything else reads them with `LazyRows.read`, which checks the column first.
"""

import copy
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec

from upstream.reports.rows import ColumnKind, Row
from upstream.values import clock, moment
from upstream.values.code import code_or_none
from upstream.values.money import AMOUNTS


class RawForm(Enum):
    """Name the form of a raw column, the same in all rows of an answer."""

    AMOUNT = "whatever came"
    CODE = "whole numbers, texts or null"
    SECONDS = "whole unix seconds"
    ZULU = "texts with `Z`"
    LOCAL = "texts without an offset, in the system's time zone"


@dataclass(frozen=True, slots=True)
class ColumnForms:
    """Say how the raw rows of an answer are decoded, as some of its rows show it.

    `moments` are the forms of the times, with the length of their texts. A `strict` answer writes numbers as numbers:
    then msgspec checks most columns, and nothing is left to check. `ids` are the columns whose values are whole numbers
    from 1, or null.
    """

    moments: frozenset[tuple[str, RawForm, int]]
    strict: bool = False
    ids: frozenset[str] = frozenset()


class PartialRow(Row):
    """Hold some columns of a row of type `of`. `forms` names the raw columns; `zone` is the system's time zone."""

    of: ClassVar[type[Row]] = Row
    forms: ClassVar[Mapping[str, RawForm]] = {}
    zone: ClassVar[ZoneInfo]
    strict: ClassVar[bool] = False


def report_row(kind: type[Row]) -> type[Row]:
    """Return the row type of the report, for a type of partial rows as well."""
    return kind.of if issubclass(kind, PartialRow) else kind


def form(kind: type[Row], column: str) -> RawForm | None:
    """Return the form of a raw column; None if the column is canonical."""
    return kind.forms.get(column) if issubclass(kind, PartialRow) else None


def distinct_values(rows: Sequence[Row], column: str) -> set[Any]:
    """Return the canonical values of a column, each once. Raise an error for a bad value. All rows have one type."""
    kind = type(rows[0])
    if form(kind, column) is not RawForm.AMOUNT:
        return set(map(attrgetter(column), rows))
    came = list(map(getter(kind, column), rows))
    # Compared by type as well, because True equals 1.
    if bool in set(map(type, came)):
        raise ValueError("is not an amount")
    distinct = set(came)
    none = distinct & {None}
    return set(map(AMOUNTS.__getitem__, distinct - none)) | none


def has_amounts(rows: Sequence[Row], column: str, *, required: bool) -> bool:
    """Return whether a column of money holds an amount in each row, or none where it is not required."""
    try:
        found = distinct_values(rows, column)
    except (TypeError, ValueError):
        return False
    return not required or None not in found


@lru_cache(maxsize=512)
def getter(kind: type[Row], *columns: str) -> Callable[[Any], Any]:
    """Return a getter of columns. Raw times, which are cheaper to read, sort like the canonical ones.

    Raw amounts and codes do not.
    """
    return attrgetter(*(column if form(kind, column) is None else f"raw_{column}" for column in columns))


def without(row: Row, columns: Iterable[str]) -> Row:
    """Return a copy of a row in which these columns are empty, as far as it has them."""
    kind, found = type(row), copy.copy(row)  # rows are shared
    for column in columns:
        name = column if form(kind, column) is None else f"raw_{column}"
        if name in kind.__struct_fields__:
            setattr(found, name, None)
    return found


@lru_cache(maxsize=512)
def partial_row_type(row: type[Row], columns: frozenset[str], forms: ColumnForms | None, zone: ZoneInfo) -> Any:
    """Return the type of partial rows that holds these columns of a row type.

    None as the `forms` says that all columns are canonical.
    """
    hints = typing.get_type_hints(row, include_extras=True)
    fields: list[Any] = []
    names: dict[str, str] = {}
    raw_forms: dict[str, RawForm] = {}
    namespace: dict[str, Any] = {"of": row, "zone": zone, "forms": raw_forms}
    namespace["strict"] = forms is not None and forms.strict
    for field in msgspec.structs.fields(row):
        name, hint = field.name, hints[field.name]
        if name not in columns:
            continue
        found = None if forms is None else _raw_form(name, hint, field.required, forms)
        if found is not None:
            raw, how = f"raw_{name}", found[0]
            names[raw] = name
            raw_forms[name] = how
            namespace[name] = property(_CANONICAL[how](raw, zone))
            name, hint = raw, found[1]
        elif forms is not None and name in forms.ids:
            hint = _ID
        fields.append((name, hint) if field.required else (name, hint, field.default))
    return msgspec.defstruct(
        f"Partial{row.__name__}", fields, bases=(PartialRow,), namespace=namespace, rename=names, gc=False, kw_only=True
    )


def _raw_form(name: str, hint: Any, required: bool, forms: ColumnForms) -> tuple[RawForm, Any] | None:
    """Return the form of a column that stays raw, and its type; None for any other column."""
    for moment_name, how, length in forms.moments:
        if moment_name == name:
            exact = msgspec.Meta(min_length=length, max_length=length)
            return how, _SECONDS if how is RawForm.SECONDS else Annotated[str, exact] if forms.strict else str
    kinds = [kind for kind in getattr(hint, "__metadata__", ()) if isinstance(kind, ColumnKind)]
    if kinds == [ColumnKind.MONEY]:
        return RawForm.AMOUNT, Annotated[Any, "as it came"]
    if kinds == [ColumnKind.CODE] and forms.strict and not required:
        return RawForm.CODE, int | str | None
    return None


def _amount_or_none(value: Any) -> str | None:
    return None if value is None else AMOUNTS[value]


def _amount(raw: str, zone: ZoneInfo) -> Callable[[Any], Any]:
    return lambda row: _amount_or_none(getattr(row, raw))


def _code(raw: str, zone: ZoneInfo) -> Callable[[Any], Any]:
    return lambda row: code_or_none(getattr(row, raw))


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
    RawForm.CODE: _code,
    RawForm.SECONDS: _seconds,
    RawForm.ZULU: _text(True),
    RawForm.LOCAL: _text(False),
}
_ID = Annotated[int, msgspec.Meta(ge=1)] | None
# 0 means "no time".
_SECONDS = Annotated[int, msgspec.Meta(ge=1, le=moment.LAST)]
