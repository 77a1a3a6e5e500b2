import pytest

from upstream.errors import Malformed, NotFound, Unavailable, UpstreamError, UpstreamFailed
from upstream.reports.table import GROUP_MOVEMENTS, GROUPS, USERS, Report, System
from upstream.resilience.breaker import Breakers

DOWN = Unavailable("no answer in time", correlation_id="abc")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock: Clock) -> Breakers:
    return Breakers(System.GAMEHUB, 3, 5.0, clock)


def fail(breakers: Breakers, report: Report = GROUPS, error: UpstreamError | None = DOWN, times: int = 1) -> None:
    for _ in range(times):
        if error is not None:
            error.report = report.code
        breakers.admit(report).settle(error)


def refused(breakers: Breakers, report: Report = GROUPS) -> str | None:
    try:
        breakers.admit(report).drop()
    except Unavailable as error:
        return error.message if error.correlation_id == "abc" else "not told whose fault it is"
    return None


def test_failures_in_a_row_open_it_and_it_says_so(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, times=2)
    assert refused(breakers) is None
    fail(breakers)
    clock.now += 1.5
    assert refused(breakers) == (
        "R8 of GameHub has failed 3 times in a row: the circuit breaker is open and tries again in 3.5 s"
    )
    assert breakers.notes() == [
        "R8 of GameHub has failed 3 times in a row: the circuit breaker is open and tries again in 3.5 s; "
        "1 calls were not made"
    ]


def test_a_success_between_them_keeps_it_closed(breakers: Breakers) -> None:
    for _ in range(4):
        fail(breakers, times=2)
        fail(breakers, error=None)
    assert refused(breakers) is None


@pytest.mark.parametrize("error", [NotFound("x"), Malformed("x"), UpstreamFailed("x", status=400)])
def test_an_upstream_that_answers_wrongly_is_there(error: UpstreamError, breakers: Breakers) -> None:
    fail(breakers, error=error, times=50)
    assert refused(breakers) is None


def test_half_of_the_last_calls_open_it(breakers: Breakers) -> None:
    for _ in range(9):
        fail(breakers)
        fail(breakers, error=None)
    assert refused(breakers) is None
    fail(breakers)
    fail(breakers, error=None)
    fail(breakers, error=UpstreamFailed("x", status=500, correlation_id="abc"))
    assert refused(breakers) is not None


def test_one_call_tries_and_success_closes_it(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, times=3)
    clock.now += 5
    trial = breakers.admit(GROUPS)
    assert "is being tried again" in (refused(breakers) or "")
    trial.settle(None)
    assert refused(breakers) is None
    assert breakers.notes() == []


def test_a_trial_that_fails_waits_twice_as_long(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, times=3)
    for pause in (5, 10, 20, 40, 40):
        clock.now += pause - 0.1
        assert refused(breakers) is not None
        clock.now += 0.1
        fail(breakers)
    clock.now += 40
    fail(breakers, error=None)
    assert refused(breakers) is None


def test_a_trial_that_is_given_up_leaves_the_next_one_to_try(breakers: Breakers, clock: Clock) -> None:
    fail(breakers, times=3)
    clock.now += 5
    breakers.admit(GROUPS).drop()
    breakers.admit(GROUPS).settle(None)
    assert refused(breakers) is None


def test_calls_that_were_under_way_do_not_put_the_trial_off(breakers: Breakers, clock: Clock) -> None:
    under_way = [breakers.admit(GROUPS) for _ in range(10)]
    for passage in under_way[:3]:
        passage.settle(DOWN)
    clock.now += 4
    for passage in under_way[3:]:
        passage.settle(DOWN)
    clock.now += 1
    assert refused(breakers) is None


def test_one_report_closes_itself_alone_and_several_the_system(breakers: Breakers) -> None:
    fail(breakers, times=3)
    assert refused(breakers, USERS) is None
    fail(breakers, USERS, times=2)
    assert refused(breakers, GROUP_MOVEMENTS) is None
    fail(breakers, USERS)
    assert (refused(breakers, GROUP_MOVEMENTS) or "").startswith("GameHub has failed 6 times in a row")


def test_none_is_none(clock: Clock) -> None:
    breakers = Breakers(System.GAMEHUB, 0, 5.0, clock)
    fail(breakers, times=1000)
    assert refused(breakers) is None
