"""The limits of the workers together are those of the settings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.settings.reading import WrongSettings, load
from server.settings.settings import NAMES
from server.workers.share import DIVIDED, DIVIDED_WITHOUT_REDIS, share, share_of


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_parts_are_equal_and_together_the_whole(total: int, workers: int) -> None:
    parts = [share(total, worker, workers) for worker in range(workers)]
    assert max(parts) - min(parts) <= 1
    if total >= workers or total == 0:
        assert sum(parts) == total
    else:
        assert parts == [1] * workers


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("cache", "divided"),
    [("memory://", {*DIVIDED, *DIVIDED_WITHOUT_REDIS}), ("redis://127.0.0.1:9/0", set(DIVIDED))],
)
def test_a_redis_holds_some_limits_for_all(cache: str, divided: set[str]) -> None:
    limits = "".join(f"{name.upper()}=9\n" for name in (*DIVIDED, *DIVIDED_WITHOUT_REDIS))
    Path(".env").write_text(f"{limits}CACHE_URL={cache}\nWORKERS=3\n")
    whole = load()
    parts = [share_of(whole, worker, 3) for worker in range(3)]
    changed = {name for name in type(whole).model_fields if getattr(parts[0], name) != getattr(whole, name)}
    assert changed == divided
    assert {sum(getattr(part, name) for part in parts) for name in divided} == {9}


def test_limits_of_the_vendors_are_never_exceeded() -> None:
    Path(".env").write_text("GAMELOG_CALLS_PER_MINUTE=3\nWORKERS=4\n")
    with pytest.raises(WrongSettings) as wrong:
        load()
    assert wrong.value.lines == [
        "GAMELOG_CALLS_PER_MINUTE is 3, less than WORKERS=4, which divide it: set fewer workers"
    ]  # fmt: skip
