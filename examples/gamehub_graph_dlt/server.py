"""Read the tables of a server of gamehub-graph over HTTP: what there is, and the rows of one day."""

import datetime
import io
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dlt.sources.helpers import requests
from dlt.sources.helpers.requests import HTTPError, RequestException, Timeout

ONE_DAY = datetime.timedelta(days=1)


class DayFailed(Exception):
    """One day cannot be read now. The other days may be."""


class TableRefused(Exception):
    """No day of a table and its entity can be loaded: the request is wrong, or a column has another type."""


@dataclass(frozen=True)
class ServerTable:
    """A table: its name, the parameters that it needs, and whether it has days."""

    name: str
    required: tuple[str, ...]
    timed: bool


@dataclass(frozen=True)
class ServerList:
    """The tables of a server, its version and time, and its days: the zone, today, and the last day that is over."""

    tables: dict[str, ServerTable]
    version: str
    now: datetime.datetime
    timezone: str
    today: datetime.date
    closed_until: datetime.date


@dataclass(frozen=True)
class DayRows:
    """The rows of one day (or of a table without days), and when the oldest of them was read."""

    rows: pa.Table
    read_at: datetime.datetime


class TableServer:
    """A server. `key` is an API key, for a server that wants one.

    Failures that may pass are tried again; dlt's settings `request_max_attempts` and others say how often.
    """

    def __init__(self, address: str, key: str | None = None) -> None:
        self._address = address.rstrip("/")
        self._headers = {"X-Api-Key": key} if key else {}

    def list(self) -> ServerList:
        """Return what there is. Raise an error without an answer."""
        answer = requests.get(f"{self._address}/tables", headers={**self._headers, "Accept": "application/json"})
        found: dict[str, Any] = answer.json()
        tables = {
            one["name"]: ServerTable(one["name"], tuple(one["required"]), one["timed"])
            for one in found["tables"]
            if "required" in one
        }
        if not tables:
            raise ValueError("the server does not describe its tables: it must allow introspection to this caller")
        now = datetime.datetime.fromisoformat(found["now"])
        days = [datetime.date.fromisoformat(found[name]) for name in ("today", "closedUntil")]
        return ServerList(tables, found["version"], now, found["timezone"], *days)

    def read(
        self,
        table: ServerTable,
        entity: dict[str, str],
        day: datetime.date | None,
        not_before: datetime.datetime | None = None,
    ) -> DayRows:
        """Return the rows of one day. Raise DayFailed or TableRefused.

        With `not_before`, a time of the server, the rows are read from the upstream now, past every cache.
        """
        window = {} if day is None else {"since": day.isoformat(), "until": (day + ONE_DAY).isoformat()}
        headers = {**self._headers, **({"Cache-Control": "no-cache"} if not_before else {})}
        url = f"{self._address}/tables/{table.name}.parquet"
        try:
            answer = requests.get(url, params={**entity, **window}, headers=headers)
        except HTTPError as failure:
            kind = DayFailed if failure.response.status_code >= 500 else TableRefused
            raise kind(_message(failure.response)) from None
        except Timeout as failure:
            raise DayFailed(f"no answer in time: {type(failure).__name__}") from None
        except RequestException as failure:
            raise TableRefused(f"the server does not answer: {type(failure).__name__}") from None
        rows = pq.read_table(io.BytesIO(answer.content))
        readings = json.loads((rows.schema.metadata or {}).get(b"freshness", b"[]"))
        moments = [datetime.datetime.fromisoformat(reading["readAt"]) for reading in readings]
        read_at = min(moments, default=datetime.datetime.now(datetime.UTC))
        # If the upstream is out of reach, the server answers with rows that it still has.
        if not_before is not None and read_at < not_before:
            raise DayFailed(f"it could not be read anew: the server has rows of {read_at.isoformat()}")
        return DayRows(rows, read_at)


def _message(answer: Any) -> str:
    """Return the code and the message of an error."""
    try:
        error = answer.json()["errors"][0]
        return f"{error['extensions']['code']}: {error['message']}"
    except (ValueError, LookupError):
        return f"HTTP {answer.status_code}"
