"""Failures by address: some at once, then one in a while."""

import pytest

from server.auth.attempts import Attempts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("server.auth.attempts.time.monotonic", lambda: now[0])
    return now


def test_a_few_at_once_then_one_in_a_while(clock: list[float]) -> None:
    failures = Attempts(at_once=3, seconds_each=10)
    for _ in range(3):
        assert failures.wait("192.0.2.1") == 0
        failures.failed("192.0.2.1")
    assert failures.wait("192.0.2.1") == 10
    assert failures.wait("192.0.2.2") == 0
    clock[0] += 6
    assert failures.wait("192.0.2.1") == 4
    clock[0] += 4
    assert failures.wait("192.0.2.1") == 0
    failures.failed("192.0.2.1")
    assert failures.wait("192.0.2.1") == 10
    clock[0] += 1000
    for _ in range(3):
        assert failures.wait("192.0.2.1") == 0
        failures.failed("192.0.2.1")
    assert failures.wait("192.0.2.1") == 10


def test_one_customers_network_is_one_address(clock: list[float]) -> None:
    failures = Attempts(at_once=1)
    failures.failed("2001:db8::1")
    assert failures.wait("2001:db8::ffff:ffff") > 0
    assert failures.wait("2001:db8:0:1::1") == 0
    failures.failed("::ffff:192.0.2.1")
    assert failures.wait("192.0.2.1") > 0
    failures.failed("unix")
    assert failures.wait("unix") > 0


def test_addresses_are_bounded(clock: list[float]) -> None:
    failures = Attempts(at_once=1, most=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        failures.failed(address)
    assert [failures.wait(f"192.0.2.{n}") > 0 for n in (1, 2, 3)] == [False, True, True]
