"""The Excel workbook."""

import datetime
from collections.abc import Callable, Sequence
from typing import IO, Any

import pyarrow as pa
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from server.tables.reading import TableFailed
from server.tables.table import Table, ValueKind
from server.tables.writers.text import json_texts

MOST_ROWS_OF_XLSX = 1_048_575
MOST_TEXT_OF_XLSX = 32_767
EXCEL_DIGITS = 15
# Excel has a 29th of February 1900. Other programs read the days before it one day off.
_FIRST_OF_XLSX = (1900, 3)
_CUT = -2

_EPOCH = datetime.datetime(2000, 1, 1)

# Writes a value into a cell (sheet, row, column, value) and returns the result of xlsxwriter.
Put = Callable[[Any, int, int, Any], int]


class FormatLimit(TableFailed):
    """The rows do not fit this format, but another one."""

    def __init__(self, message: str) -> None:
        super().__init__("BAD_USER_INPUT", message)


class _WorksheetWriter(Worksheet):  # type: ignore[misc]
    """A sheet that writes each value unchanged.

    xlsxwriter itself treats a text like `<r>…</r>` as its own XML, and writes 16 of the 17 digits of a float.
    """

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[Any] = ()) -> None:
        self._xml_inline_string(string, False, attributes)

    def _xml_number_element(self, number: float, attributes: Sequence[tuple[str, Any]] = ()) -> None:
        named = "".join(f' {name}="{value}"' for name, value in attributes)
        self.fh.write(f"<c{named}><v>{number!r}</v></c>")


class Xlsx:
    """An Excel workbook of one sheet, with a bold line of names that stays visible."""

    def __init__(self, table: Table, sink: IO[bytes]) -> None:
        # Creation dates would make two equal files differ.
        self._book = xlsxwriter.Workbook(
            sink, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        self._book.set_properties({"title": table.name, "comments": table.description, "created": _EPOCH})
        self._sheet = self._book.add_worksheet(table.name[:31], _WorksheetWriter)
        self._sheet.freeze_panes(1, 0)
        bold = self._book.add_format({"bold": True})
        self._columns = table.columns
        self._put = [self._putter(column.kind) for column in table.columns]
        for index, column in enumerate(table.columns):
            self._sheet.set_column(index, index, max(12, len(column.name) + 2))
            self._sheet.write_string(0, index, column.name, bold)
        self._row = 0

    def _putter(self, kind: ValueKind) -> Put:
        """Return the writer of a kind, with a number format that shows all digits."""
        match kind.name:
            case "decimal":
                return _Decimals(self._book, kind)
            case "int64":
                return _Integers(self._book)
            case "timestamp" | "date":
                return _TimeCells(self._book, kind)
        return {"float64": _put_float, "bool": _put_truth}.get(kind.name, _put_text)

    def write(self, batch: pa.RecordBatch) -> None:
        if self._row + batch.num_rows > MOST_ROWS_OF_XLSX:
            raise FormatLimit(
                f"An Excel sheet has {MOST_ROWS_OF_XLSX:,} rows at most, and this table has more: take a shorter "
                "window, a limit, or the format parquet or csv."
            )
        columns = [
            (json_texts(values, column.kind) if column.kind.of is not None else values).to_pylist()
            for column, values in zip(self._columns, batch.columns, strict=True)
        ]
        for values in zip(*columns, strict=True):
            self._row += 1
            for index, value in enumerate(values):
                # -2: xlsxwriter cut a text.
                if value is not None and self._put[index](self._sheet, self._row, index, value) == _CUT:
                    raise FormatLimit(
                        f"Row {self._row}: the column {self._columns[index].name} has a text that is longer than the "
                        f"{MOST_TEXT_OF_XLSX:,} characters of a cell in Excel: take the format csv or parquet."
                    )

    def close(self) -> None:
        try:
            self._book.close()
        except FileCreateError as error:
            # It wraps the error of the system.
            raise next((cause for cause in error.args if isinstance(cause, OSError)), error) from None


def _put_text(sheet: Any, row: int, column: int, value: str) -> int:
    return int(sheet.write_string(row, column, value))


def _put_float(sheet: Any, row: int, column: int, value: float) -> int:
    return int(sheet.write_number(row, column, value))


def _put_truth(sheet: Any, row: int, column: int, value: bool) -> int:
    return int(sheet.write_boolean(row, column, value))


class _Decimals:
    """Write decimals of at most 15 digits as numbers, and others as texts."""

    def __init__(self, book: Any, kind: ValueKind) -> None:
        self._form = book.add_format({"num_format": "#,##0.00" + "#" * (kind.scale - 2)})

    def __call__(self, sheet: Any, row: int, column: int, value: str) -> int:
        if len(value.strip("-0.").replace(".", "")) > EXCEL_DIGITS:
            return int(sheet.write_string(row, column, value))
        return int(sheet.write_number(row, column, float(value), self._form))


class _Integers:
    """Write integers of at most 15 digits as numbers, and others as texts."""

    def __init__(self, book: Any) -> None:
        self._form = book.add_format({"num_format": "0"})

    def __call__(self, sheet: Any, row: int, column: int, value: int) -> int:
        if abs(value) >= 10**EXCEL_DIGITS:
            return int(sheet.write_string(row, column, str(value)))
        return int(sheet.write_number(row, column, value, self._form))


class _TimeCells:
    """Write times as Excel's own. A time outside its range becomes a text in ISO 8601."""

    def __init__(self, book: Any, kind: ValueKind) -> None:
        whole = "yyyy-mm-dd" if kind.name == "date" else "yyyy-mm-dd hh:mm:ss"
        self._whole = book.add_format({"num_format": whole})
        self._fine = book.add_format({"num_format": whole + ".000"})

    def __call__(self, sheet: Any, row: int, column: int, value: datetime.date) -> int:
        microsecond = value.microsecond if isinstance(value, datetime.datetime) else 0
        if (value.year, value.month) < _FIRST_OF_XLSX or microsecond % 1000:
            return int(sheet.write_string(row, column, value.isoformat().replace("+00:00", "Z")))
        naive = value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value
        return int(sheet.write_datetime(row, column, naive, self._fine if microsecond else self._whole))
