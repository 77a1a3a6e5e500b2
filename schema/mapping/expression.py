"""Read a column of a row with an expression, so that no object has to be made for it.

Three kinds of value reach an expression. A value that the decoder has checked is written as it is. A raw time or code
is known to be regular, and the expression makes it canonical. A raw amount was checked by nobody: the expression checks
it, and raises an error for a bad one. The code that runs expressions does not handle errors row by row: it leaves the
rows of the list to the objects, which raise the error of the bad value alone.
"""

import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import msgspec

from engine.batch_hint import Expression
from upstream.decoding.partial_row import PartialRow, RawForm, form, report_row
from upstream.reports.rows import ColumnKind, Row
from upstream.values import clock
from upstream.values.code import NO_CODES, code_or_none
from upstream.values.money import AMOUNTS

# The type that the decoder gives to the values of a column of this kind.
_KINDS: dict[ColumnKind, type] = {
    ColumnKind.NO_ID: int,
    ColumnKind.CODE: str,
    ColumnKind.MONEY: str,
    ColumnKind.MOMENT: int,
}


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """A column that a function computes from the row: the columns that it reads, and the type that it proves.

    `code` is the same computation as an expression over `row` and `names`, for functions that cost less than their
    call. `sure` returns whether the function knows the value for each of some rows.
    """

    read: Callable[[Any], Any]
    reads: tuple[str, ...]
    proves: type
    nullable: bool = True
    code: str = ""
    names: Mapping[str, Any] = field(default_factory=dict)
    sure: Callable[[Sequence[Any]], bool] | None = None


@cache
def plain(kind: type[Row], name: str) -> Expression | None:
    """Return the expression of a column of the row itself, or None if its type is not proved.

    Either the decoder has proved the type, or the expression checks each value (`_raw`).
    """
    whole = report_row(kind)
    hint = typing.get_type_hints(whole, include_extras=True).get(name)
    field = next((field for field in msgspec.structs.fields(whole) if field.name == name), None)
    if hint is None or field is None or not hasattr(kind, name):
        return None
    kinds = [kind for kind in getattr(hint, "__metadata__", ()) if isinstance(kind, ColumnKind)]
    if kinds:
        return _raw(kind, name, not field.required) or Expression(f"row.{name}", _KINDS[kinds[0]], not field.required)
    members = {_plain(member) for member in (typing.get_args(hint) if _is_union(hint) else (hint,))}
    proved = members - {type(None)}
    if proved not in ({int}, {str}, {bool}):
        return None
    return Expression(f"row.{name}", proved.pop(), nullable=len(members) > 1)


def _raw(kind: type[Row], name: str, nullable: bool) -> Expression | None:
    """Return the expression of a column that stays raw in partial rows; None for any other column.

    Nothing has checked the amounts, so the expression checks each of them: it raises ValueError or TypeError for a
    value that is no amount. True equals 1 in the table of amounts, so it is refused before. Every code is good.
    """
    how = form(kind, name)
    if how is RawForm.AMOUNT:
        code = f"amounts[money] if (money := row.raw_{name}).__class__ is not bool else no_amount(money)"
        if nullable:
            code = f"None if row.raw_{name} is None else {code}"
        return Expression(f"({code})", str, nullable, names=_AMOUNTS)
    if how is RawForm.CODE:
        code = f"(None if code in no_codes else code) if (code := row.raw_{name}).__class__ is str else any_code(code)"
        return Expression(f"({code})", str, nullable, names=_CODES)
    return None


def _no_amount(value: object) -> NoReturn:
    raise ValueError(f"{value!r} is not an amount")


_AMOUNTS = {"amounts": AMOUNTS, "no_amount": _no_amount}
_CODES = {"no_codes": NO_CODES, "any_code": code_or_none}


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _plain(hint: Any) -> Any:
    """Return a type without its annotations."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def computed(kind: type[Row], name: str, column: ColumnReader) -> Expression | None:
    """Return the expression of a column that a function computes."""
    if column.code:
        code, names = column.code, dict(column.names)
        for read in column.reads:
            at = plain(kind, read)
            if at is None:
                return None
            code = re.sub(rf"\brow\.{read}\b", at.code, code)
            names |= at.names
        return Expression(code, column.proves, column.nullable, names=names)
    reader = f"read_{kind.__name__}_{name}"
    return Expression(f"{reader}(row)", column.proves, column.nullable, names={reader: column.read})


def moment(kind: type[Row], name: str, zone: ZoneInfo) -> Expression | None:
    """Return the expression of a moment, written in a time zone."""
    found = plain(kind, name)
    if found is None or found.proves is not int:
        return None
    writer = clock.writer(zone)
    names: dict[str, Any]
    how = form(kind, name)
    if how is RawForm.SECONDS:
        code = f"hours[quarter := (at := row.raw_{name}) // 900] + seconds[quarter][at % 900]"
        names = {"hours": writer.hours, "seconds": writer.seconds}
        return Expression(code, nullable=False, serialized=True, names=names)
    if how is not None and issubclass(kind, PartialRow) and clock.whole_hours(zone):
        rewriter = clock.rewriter(kind.zone, how is RawForm.ZULU, zone)
        code = f"text_hours[hour := (at := row.raw_{name})[:14]] + text_rests[hour][at[14:]]"
        names = {"text_hours": rewriter.hours, "text_rests": rewriter.rests}
        return Expression(code, nullable=False, serialized=True, names=names)
    text = f"hours[quarter := at // {clock.QUARTER}] + minutes[quarter][at % {clock.QUARTER}]"
    code = (
        f"None if (at := row.{name}) is None else {text}"
        if found.nullable
        else text.replace("at", f"(at := row.{name})", 1)
    )
    names = {"hours": writer.hours, "minutes": writer.minutes}
    return Expression(code, nullable=found.nullable, serialized=True, names=names)
