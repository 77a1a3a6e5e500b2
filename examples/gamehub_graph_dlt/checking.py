"""Compare the tables of a destination with the audit table."""

from typing import Any

import dlt

from .audit import LOADED_DAYS
from .source import DAY, ENTITY


def differences(pipeline: dlt.Pipeline) -> list[str]:
    """Return each part whose number of rows is not that of the audit table, as a line of text."""
    audited = str(LOADED_DAYS["table_name"])
    found: list[str] = []
    naming = pipeline.default_schema.naming
    with pipeline.sql_client() as client:

        def rows(statement: str) -> list[Any]:
            return list(client.execute_sql(statement) or ())

        def name(text: str) -> str:
            return client.make_qualified_table_name(naming.normalize_table_identifier(text))

        audit: dict[str, dict[tuple[str, Any], int]] = {}
        for table, entity, day, count in rows(f"SELECT table_name, entity, loaded_for, row_count FROM {name(audited)}"):
            audit.setdefault(table, {})[entity, day] = count
        for table, expected in sorted(audit.items()):
            day = DAY if any(day is not None for _, day in expected) else "NULL"
            group = f"{ENTITY}, {DAY}" if day == DAY else ENTITY
            there = {
                (entity, day): count
                for entity, day, count in rows(f"SELECT {ENTITY}, {day}, count(*) FROM {name(table)} GROUP BY {group}")
            }
            for part in sorted(expected.keys() | there.keys(), key=str):
                counts = expected.get(part, 0), there.get(part, 0)
                if counts[0] != counts[1]:
                    place = ", ".join(str(one) for one in part if one is not None)
                    found.append(f"{table}, {place}: {counts[1]} rows, but {counts[0]} were read")
    return found
