"""Numbers and times at the ends of what can be held: each is answered, none makes the server fail."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from server.tables.config import TablesConfig
from tests.server.application import application
from tests.server.serving import serving
from tests.server.tables import library
from tests.server.tables.conftest import NOW, saved

HUGE = "99999999999999999999"
TIMES = (
    "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "9999-12-31", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "0001-01-01",
)  # fmt: skip


@pytest.fixture(scope="module", params=["UTC", "Asia/Tokyo", "America/New_York"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    config = TablesConfig(zone=ZoneInfo(request.param), now=lambda: NOW, spool_dir=tmp_path_factory.mktemp("spool"))
    app = application(
        library.schema,
        lambda operation: [],
        saved=[saved(text) for text in (library.BOOKS, library.LOANS)],
        tables=config,
    )
    with serving(app) as address, httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        yield client


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize(
    "condition",
    ["readAt le {}", "readAt ge {}", "readAt in ({})", "hour({}) eq 1", "year({}) eq 1", "date({}) eq 2026-01-01"],
)
def test_times_at_the_ends(client: httpx.Client, condition: str, time: str) -> None:
    answer = client.get("/odata/Books", params={"$filter": condition.format(time)})
    assert answer.status_code in (200, 400), answer.text


def test_a_time_that_does_not_exist_is_told(client: httpx.Client) -> None:
    answer = client.get("/odata/Books", params={"$filter": f"readAt le {TIMES[0]}"})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": "BAD_USER_INPUT",
        "message": f"$filter has the time {TIMES[0]}, which does not exist.",
    }


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (f"substring(title,0,{HUGE}) eq 'plain'", ["0"]),
        (f"substring(title,2,{HUGE}) eq 'ain'", ["0"]),
        (f"substring(title,{HUGE}) eq 'plain'", []),
        (f"substring(title,{HUGE},{HUGE}) eq 'plain'", []),
        ("substring(title,9223372036854775807,1) eq 'plain'", []),
        (f"length(title) eq {HUGE}", []),
        (f"indexof(title,'l') eq {HUGE}", []),
    ],
)
def test_numbers_beyond_64_bits(client: httpx.Client, call: str, found: list[str]) -> None:
    answer = client.get("/odata/Books", params={"$filter": call, "$select": "id"})
    assert (answer.status_code, [one["id"] for one in answer.json()["value"]]) == (200, found)


@pytest.mark.parametrize(
    "token",
    [
        {"at": 0, "size": 0},
        {"at": True, "size": True},
        {"at": 0, "size": 10**18},
        {"at": 10**18, "size": 1},
        {"at": 0, "size": 1, "left": 2**63},
        {"at": 0, "size": 1, "day": 1},
        {"size": 1},
        [],
    ],
)
def test_a_forged_token(client: httpx.Client, token: Any) -> None:
    answer = forged(client, token)
    assert (answer.status_code, answer.json()["error"]["message"][:10]) == (400, "$skiptoken")


@pytest.mark.parametrize("token", [{"at": 0, "size": 1}, {"at": 0, "size": 1, "day": "9999-12-31"}])
def test_a_token_of_no_page_is_gone(client: httpx.Client, token: Any) -> None:
    assert forged(client, token).status_code in (400, 410)


def forged(client: httpx.Client, token: Any) -> httpx.Response:
    text = base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")
    return client.get("/odata/Books", params={"$skiptoken": text})
