"""Files that servers share in a folder and in an object store: real servers, and an upstream whose rows change."""

import contextlib
import datetime
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import httpx
import pytest

from server.export.destination import WrongDestination
from server.tables.spool import store as store_module
from server.tables.spool.snapshot import READING
from server.tables.spool.spool import Spool
from server.tables.spool.store import SpoolStore
from tests.served import served
from tests.server.object_store import endpoint, objects
from tests.server.tables.spool.test_spool import A, B, C, at, never, writing
from tests.strangers.stranger import Stranger
from tests.strangers.world import WAGER, Movement

__all__ = ["endpoint"]

TODAY = datetime.datetime.now(datetime.UTC).date()
DAY = datetime.timedelta(days=1)
WINDOW = {"group": "382", "since": f"{TODAY - DAY}", "until": f"{TODAY + DAY}"}
OPEN_DAY = {**WINDOW, "since": f"{TODAY}"}
FRESH = {"Cache-Control": "max-age=0"}


def spool(folder: Path, prefix: str, limit: int = 10_000, **options: Any) -> Spool:
    """A spool with a folder of its own, as on a host of its own, and a shared store."""
    folder.mkdir(exist_ok=True)
    return Spool(lambda: (folder, False), 10_000, SpoolStore(f"s3://lake/{prefix}", limit, **options))


async def test_a_host_serves_what_another_one_wrote(endpoint: str, tmp_path: Path) -> None:
    one, other = spool(tmp_path / "one", "hosts"), spool(tmp_path / "other", "hosts")
    first = await one.get(A, "csv", at(0), writing(b"1", oldest=-1, until=60))
    again = await other.get(A, "csv", at(59), never)
    assert (again.path.name, again.path.read_bytes(), again.modified) == (first.path.name, b"1", first.modified)
    await other.get(A, "csv", at(60), writing(b"2", 60, until=120))
    third = spool(tmp_path / "third", "hosts")
    parts = at(100, reading=True, tag=first.etag)
    for host in (one, other, third):
        assert (await host.get(A, "csv", parts, never)).path.read_bytes() == b"1"
        assert (await host.get(A, "csv", at(119), never)).path.read_bytes() == b"2"
    assert sorted(objects("hosts")) == sorted(f"{A}/{path.name}" for path in (tmp_path / "third").iterdir())


async def test_a_file_that_is_not_whole_in_the_store_is_written_again(endpoint: str, tmp_path: Path) -> None:
    first = await spool(tmp_path / "one", "broken").get(A, "csv", at(0), writing(b"whole"))
    boto3.client("s3").put_object(Bucket="lake", Key=f"broken/{A}/{first.path.name}", Body=b"half")
    other = await spool(tmp_path / "other", "broken").get(A, "csv", at(1), writing(b"whole", 1))
    assert (other.path.read_bytes(), other.etag) == (b"whole", first.etag)


async def test_the_store_keeps_to_its_limit(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SWEEP_SECONDS", -1.0)
    host = spool(tmp_path / "one", "limit", limit=20)
    for number, key in enumerate((A, B, C)):
        await host.get(key, "csv", at(number), writing(key[:8].encode(), number))
        await host.aclose()  # nothing is removed any more
    assert sorted(objects("limit").values()) == [B[:8].encode(), C[:8].encode()]


async def test_a_replaced_file_leaves_the_store(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SWEEP_SECONDS", -1.0)
    host = spool(tmp_path / "one", "replaced")
    long = 70 + 6 * READING.total_seconds()
    for key, text, begun, left in (
        (A, b"1", 0.0, [b"1"]),
        (A, b"2", 70.0, [b"1", b"2"]),
        (B, b"3", long, [b"1", b"2", b"3"]),  # a client may still read the first one
        (C, b"4", long + 1, [b"2", b"3", b"4"]),
    ):
        await host.get(key, "csv", at(begun), writing(text, begun, until=begun + 60))
        await host.aclose()
        assert sorted(objects("replaced").values()) == left


async def test_without_the_store_a_host_works_with_its_own_files(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    host = spool(tmp_path / "one", "away", pause_seconds=0.0)
    first = await host.get(A, "csv", at(0), writing(b"1"))
    assert await host.get(A, "csv", at(1), never) is first
    assert (await host.get(A, "csv", at(60), writing(b"2", 60))).path.read_bytes() == b"2"
    await host.aclose()


async def test_a_silent_store_is_asked_once(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer waits for each try."""
    connections: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                connections.append(listening.accept()[0])

    config = {"connect_timeout": 60, "read_timeout": 0.2, "retries": {"max_attempts": 0}}
    monkeypatch.setattr(store_module, "OPTIONS", {"config_kwargs": config})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        host = spool(tmp_path / "one", "silent", pause_seconds=3600)
        for key in (A, B):
            assert (await host.get(key, "csv", at(0), writing(b"own"))).path.read_bytes() == b"own"
        listening.shutdown(socket.SHUT_RDWR)
    assert len(connections) == 1
    for each in connections:
        each.close()


@pytest.mark.parametrize("address", ["memory://x", "http://host/x", "nowhere://x"])
def test_addresses_that_cannot_be_a_store(address: str) -> None:
    with pytest.raises(WrongDestination):
        SpoolStore(address, 1)


# Real servers


@dataclass
class Replicas:
    """Three servers. Two share a folder, and all share an object store."""

    stranger: Stranger
    clients: Sequence[httpx.Client]

    def book(self, day: datetime.date, number: int) -> None:
        """Book a number of movements on a day, one per second."""
        movements = self.stranger.world.movements
        begin = datetime.datetime.combine(day, datetime.time(0), datetime.UTC)
        for place in range(len(movements), len(movements) + number):
            moment = begin + datetime.timedelta(seconds=place)
            movements.append(Movement(9000 + place, moment, 60, 382, WAGER, f"-{place}.25"))

    @property
    def ids(self) -> list[str]:
        return sorted(str(movement.id) for movement in self.stranger.world.movements)

    def calls(self) -> int:
        """Return the number of upstream calls since the last call of this method."""
        found = len(self.stranger.requests)
        self.stranger.requests.clear()
        return found


@pytest.fixture(scope="module")
def replicas(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    with Stranger() as stranger:
        stranger.reset(zone=ZoneInfo("UTC"), log_zone=ZoneInfo("UTC"))
        settings = {
            "GAMEHUB_URL": f"{stranger.host}/api/v1/",
            "GAMEHUB_TOKEN": stranger.token,
            "GAMEHUB_TIMEZONE": "UTC",
            "GAMELOG_URL": f"{stranger.host}/log",
            "GAMELOG_AGENT_CODE": "admin",
            "GAMELOG_AGENT_TOKEN": stranger.agents["admin"],
            "CACHE_OPEN_SECONDS": "0",
            "TABLES_STORE": "s3://lake/replicas",
        }
        with (
            served(folder, **settings, TABLES_SPOOL_DIR=str(folder / "shared")) as one,
            served(folder, **settings, TABLES_SPOOL_DIR=str(folder / "shared")) as two,
            served(folder, **settings, TABLES_SPOOL_DIR=str(folder / "own")) as three,
        ):
            clients = [httpx.Client(base_url=address, trust_env=False, timeout=60) for address in (one, two, three)]
            yield Replicas(stranger, clients)
            for client in clients:
                client.close()


@pytest.mark.parametrize("options", [{}, {"$orderby": "amount desc"}, {"$apply": "groupby((id))"}])
def test_pages_come_from_any_server_while_rows_change(replicas: Replicas, options: dict[str, str]) -> None:
    replicas.stranger.world.movements = []
    replicas.book(TODAY, 40)
    expected = replicas.ids
    headers = {"Prefer": "odata.maxpagesize=7"}
    servers = cycle(replicas.clients)
    answer = next(servers).get("/odata/GroupTransactions", params=OPEN_DAY | options, headers=headers | FRESH)
    found: list[str] = []
    pages = 0
    while True:
        assert answer.status_code == 200, answer.text
        found += [row["id"] for row in answer.json()["value"]]
        pages += 1
        if "@odata.nextLink" not in answer.json():
            break
        # Rows change, and a new client reads them.
        replicas.book(TODAY, 1)
        new = replicas.clients[-pages % 3].get("/odata/GroupTransactions/$count", params=OPEN_DAY, headers=FRESH)
        assert int(new.text) == len(replicas.ids)
        link = httpx.URL(answer.json()["@odata.nextLink"])
        answer = next(servers).get(link.raw_path.decode(), headers=headers)
    assert (pages, sorted(found)) == (6, expected)


def test_a_file_is_the_same_on_any_server(replicas: Replicas) -> None:
    replicas.stranger.world.movements = []
    replicas.book(TODAY - DAY, 10)
    replicas.book(TODAY, 10)
    path = "/tables/GroupTransactions.parquet"
    whole = [client.get(path, params=WINDOW) for client in replicas.clients]
    assert len({(answer.content, answer.headers["etag"]) for answer in whole}) == 1
    first = whole[0]
    replicas.book(TODAY, 5)
    newer = replicas.clients[1].get(path, params=WINDOW, headers=FRESH)
    assert newer.headers["etag"] != first.headers["etag"]
    replicas.calls()
    # Each server continues with the first file.
    step = len(first.content) // 7
    parts = []
    for begin, client in zip(range(0, len(first.content), step), cycle(replicas.clients), strict=False):
        headers = {"Range": f"bytes={begin}-{begin + step - 1}", "If-Range": first.headers["etag"]}
        part = client.get(path, params=WINDOW, headers=headers)
        assert (part.status_code, part.headers["etag"]) == (206, first.headers["etag"])
        parts.append(part.content)
    assert b"".join(parts) == first.content
    assert replicas.calls() == 0
