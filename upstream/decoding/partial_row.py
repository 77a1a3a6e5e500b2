"""Excerpts: rows of which only the columns that are read were decoded, with money and times as they came.

Those of days that were kept are canonical already. Whoever reads a column of an excerpt gets what the row itself would
tell. Code over many rows reads what came, under `raw_` and the column's name, and makes it canonical by the tables of
`money.py` and `clock.py`.
"""

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec

from upstream.decoding import clock, moment
from upstream.decoding.money import AMOUNTS
from upstream.reports.rows import ColumnKind, Row


class RawForm(Enum):
    """How a column came, in all rows of an answer."""

    AMOUNT = "numbers or texts"
    SECONDS = "whole unix seconds"
    ZULU = "texts with `Z`"
    LOCAL = "texts without an offset, in the system's time zone"


class PartialRow(Row):
    """Some columns of a row of `of`; `forms` tells which of them are as they came, `zone` is the system's."""

    of: ClassVar[type[Row]] = Row
    forms: ClassVar[Mapping[str, RawForm]] = {}
    zone: ClassVar[ZoneInfo]


def report_row(kind: type[Row]) -> type[Row]:
    """The kind of row that an excerpt is one of; any other kind is its own."""
    return kind.of if issubclass(kind, PartialRow) else kind


def form(kind: type[Row], column: str) -> RawForm | None:
    """How a column came that is still as it came; None if it is canonical."""
    return kind.forms.get(column) if issubclass(kind, PartialRow) else None


def values(rows: Sequence[Row], column: str) -> Iterable[Any]:
    """The canonical values of a column of rows that are all of one kind."""
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
    """Reads columns that sort as the canonical ones do, and are cheaper to read where these are still to be made."""
    return attrgetter(*(column if form(kind, column) is None else f"raw_{column}" for column in columns))


@lru_cache(maxsize=512)
def excerpt(
    row: type[Row], columns: frozenset[str], forms: frozenset[tuple[str, RawForm]] | None, zone: ZoneInfo
) -> Any:
    """The excerpt of a kind of row that holds these columns.

    `forms` are those of its moments; None says that all is canonical.
    """
    hints = typing.get_type_hints(row, include_extras=True)
    told = dict(forms or ())
    fields: list[Any] = []
    names: dict[str, str] = {}
    namespace: dict[str, Any] = {"of": row, "zone": zone}
    for field in msgspec.structs.fields(row):
        name, hint = field.name, hints[field.name]
        if name not in columns:
            continue
        kinds = [kind for kind in getattr(hint, "__metadata__", ()) if isinstance(kind, ColumnKind)]
        if kinds == [ColumnKind.MONEY] and forms is not None:
            told[name] = RawForm.AMOUNT
        if name in told:
            raw = f"raw_{name}"
            names[raw] = name
            namespace[name] = property(_CANONICAL[told[name]](raw, zone))
            name, hint = raw, _HINTS[told[name]]
        fields.append((name, hint) if field.required else (name, hint, field.default))
    namespace["forms"] = {name: how for name, how in told.items() if name in columns}
    return msgspec.defstruct(
        f"{row.__name__}Excerpt", fields, bases=(PartialRow,), namespace=namespace, rename=names, gc=False, kw_only=True
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
