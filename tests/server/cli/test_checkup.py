"""The words of the checkup."""

from server.cli.checkup import ADVICE, CheckResult
from upstream.errors import Insecure, Unavailable, UpstreamError


def test_every_kind_of_failure_has_its_advice() -> None:
    assert set(ADVICE) == {*UpstreamError.__subclasses__(), Insecure}
    # It would get the advice of the kind that it is one of.
    assert list(ADVICE).index(Insecure) < list(ADVICE).index(Unavailable)


def test_a_line_a_system() -> None:
    assert CheckResult("GameHub", None, "", 0.0351).line() == "GameHub: answers (35 ms)"
    assert CheckResult("GameHub", "It is closed.", "Open it.", 1).line() == "GameHub: It is closed. Open it."
