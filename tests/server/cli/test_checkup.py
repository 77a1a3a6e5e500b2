"""The words of the checkup."""

import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from server.cli.checkup import ADVICE, CheckResult, examine_others
from server.settings.settings import Settings
from tests.upstream.redis_server import RedisServer
from upstream.errors import Insecure, Unavailable, UpstreamError


def test_every_kind_of_failure_has_its_advice() -> None:
    assert set(ADVICE) == {*UpstreamError.__subclasses__(), Insecure}
    # It would get the advice of the kind that it is one of.
    assert list(ADVICE).index(Insecure) < list(ADVICE).index(Unavailable)


def test_a_line_a_system() -> None:
    assert CheckResult("GameHub", None, "", 0.0351).line() == "GameHub: answers (35 ms)"
    assert CheckResult("GameHub", "It is closed.", "Open it.", 1).line() == "GameHub: It is closed. Open it."


@pytest.mark.parametrize(
    ("ahead", "wrong"), [(0.0, None), (-90.0, "The clock of this machine is 90.0 s behind that of Redis.")]
)
async def test_a_clock_that_differs_is_a_problem(
    ahead: float, wrong: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr("upstream.redis.connection.time.time", lambda: real() + ahead)
    with RedisServer(tmp_path) as redis:
        (found,) = await examine_others(Settings(cache_url=SecretStr(redis.url)))
    assert (found.title, found.wrong) == ("Redis", wrong)
    assert ("NTP" in found.advice) is (wrong is not None)
