"""The calls per minute that the workers of a cluster share: a worker has a token only when the command gave it one."""

from typing import Any

import pytest

from server.export.cluster_budget import UNUSED_SECONDS, ClusterBucket


class Tokens:
    """A queue of the scheduler, in this process."""

    def __init__(self, count: int) -> None:
        self.count = count

    def qsize(self) -> int:
        return self.count

    def get(self, timeout: float) -> int:
        if not self.count:
            raise TimeoutError
        self.count -= 1
        return 1


def bucket(tokens: Any) -> tuple[ClusterBucket, list[float]]:
    """A bucket of 60 calls a minute, and its clock."""
    clock = [100.0]
    found = ClusterBucket(60, tokens, clock=lambda: clock[0])
    return found, clock


def test_a_request_takes_a_token_of_the_command() -> None:
    tokens = Tokens(2)
    found, _ = bucket(tokens)
    assert found.free == 1
    assert tokens.count == 1
    assert found.free == 1  # the same token
    assert tokens.count == 1
    assert found.take()
    assert found.take()
    assert not found.take()
    assert found.free == 0


def test_a_token_that_is_not_used_at_once_is_lost() -> None:
    tokens = Tokens(1)
    found, clock = bucket(tokens)
    assert found.free == 1
    clock[0] += UNUSED_SECONDS
    assert not found.take()


def test_another_worker_may_be_faster() -> None:
    class Raced(Tokens):
        def qsize(self) -> int:
            return 1

    found, _ = bucket(Raced(0))
    assert found.free == 0


@pytest.mark.parametrize(("tokens", "seconds"), [(0, 0.0), (1, 1.0), (30, 30.0)])
def test_the_wait_follows_from_the_rate(tokens: int, seconds: float) -> None:
    found, _ = bucket(Tokens(0))
    assert found.wait(tokens) == seconds
