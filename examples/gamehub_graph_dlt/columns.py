"""The columns of a table as they are loaded, and the check that their types stay."""

import json

import pyarrow as pa

from .server import TableRefused


def plain(rows: pa.Table) -> pa.Table:
    """Return the rows with types that every database has: texts for dictionaries, and JSON for lists.

    Every column may be null, as in the row that marks an empty part.
    """
    fields, columns = [], []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if pa.types.is_list(field.type):
            texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in column.to_pylist()]
            column = pa.chunked_array([pa.array(texts, pa.string())])
        elif pa.types.is_dictionary(field.type):
            column = column.cast(pa.string())
        columns.append(column)
        fields.append(pa.field(field.name, column.type))
    return pa.table(columns, schema=pa.schema(fields))


def check(rows: pa.Table, known: dict[str, str]) -> None:
    """Add the types of the columns to the known ones. Raise TableRefused if a column has another type than before."""
    for field in rows.schema:
        before = known.setdefault(field.name, str(field.type))
        if before != str(field.type):
            raise TableRefused(f"the column {field.name} was {before} and is {field.type} now: load into another table")
