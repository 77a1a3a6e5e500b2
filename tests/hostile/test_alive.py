"""While each kind of hostile request runs, `/healthz` answers: the benchmark shows how soon, this that it does."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.hostile.corpus import http
from tests.hostile.kinds import CROWD, KINDS
from tests.hostile.wire import connect, read, send
from tests.measured import measured
from tests.server.tables.conftest import settings
from tests.stand import Sandbox

LONGEST = 1.0
ALIVE = http("GET", "/healthz", {"Connection": "keep-alive"})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        Sandbox(**CROWD) as crowd,
        measured(tmp_path_factory.mktemp("alive"), **settings(crowd)) as address,
    ):
        # The first request imports modules and reads files: that time is not measured.
        send(address, http("GET", "/odata/Users?$top=1"))
        send(address, http("GET", "/tables/Users.csv"))
        yield address


@pytest.mark.alone
@pytest.mark.parametrize("name", KINDS)
def test_healthz_answers_meanwhile(name: str, address: str) -> None:
    statuses: list[int] = []

    def hostile() -> None:
        statuses.extend(send(address, request).status for request in KINDS[name]())

    sender = threading.Thread(target=hostile)
    took: list[float] = []
    with connect(address) as connection:
        sender.start()
        while sender.is_alive() or not took:
            began = time.monotonic()
            connection.sendall(ALIVE)
            assert read(connection).body == b'{"alive":true}'
            took.append(time.monotonic() - began)
            time.sleep(0.01)
    sender.join()
    assert max(took) < LONGEST
    assert len(statuses) == len(KINDS[name]())
    assert all(status < 500 for status in statuses)
