"""The words of the checkup."""

from server.checkup import ADVICE, Result
from upstream.errors import UpstreamError


def test_every_kind_of_failure_has_its_advice() -> None:
    assert set(ADVICE) == set(UpstreamError.__subclasses__())


def test_a_line_a_system() -> None:
    assert Result("GameHub", None, "", 0.0351).line() == "GameHub: answers (35 ms)"
    assert Result("GameHub", "It is closed.", "Open it.", 1).line() == "GameHub: It is closed. Open it."
