"""The world's file: it is the same world however, and by however many processes, it was made."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sandbox.clock import Clock
from sandbox.store import SandboxStore, WorldFileError
from sandbox.world import World


def made(path: Path, now: str, days: int = 3, seed: int = 7, zone: str = "UTC", users: int = 30) -> list[str]:
    """Build or extend a world, and return the content of its days."""
    frozen = int(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp())
    store = SandboxStore(path, World(seed, users, 3, days, Clock(ZoneInfo(zone), frozen)))
    store.prepare()
    store.reach()
    store.trim()
    # The pages of the tables depend on the order of writing. Their content must not.
    tables = ("game", "ticket", "win", "movement", "jackpot_value", "daily", "spin", "user", '"group"')
    lines = [repr(row) for table in tables for row in store.connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
    store.close()
    return lines


def test_the_same_seed_and_day_make_the_same_world(tmp_path: Path) -> None:
    first = made(tmp_path / "a", "2026-03-15T00:00:00")
    assert first == made(tmp_path / "b", "2026-03-15T23:00:00")
    assert first != made(tmp_path / "c", "2026-03-15T00:00:00", seed=8)


def test_an_extended_world_is_the_world_built_anew(tmp_path: Path) -> None:
    made(tmp_path / "a", "2026-03-13T12:00:00")
    assert made(tmp_path / "a", "2026-03-15T12:00:00") == made(tmp_path / "b", "2026-03-15T12:00:00")


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2028-02-29", "2026-12-31"])
def test_no_day_is_too_short_or_too_long(tmp_path: Path, day: str) -> None:
    made(tmp_path / "a", f"{day}T12:00:00", days=2, zone="Europe/Madrid")
    database = sqlite3.connect(tmp_path / "a")
    zone = ZoneInfo("Europe/Madrid")
    for table in ("movement", "spin"):
        ids = [row[0] for row in database.execute(f"SELECT id FROM {table} ORDER BY ts, id")]
        assert ids == sorted(ids)
    days = {
        row[0] // 10_000: datetime.fromtimestamp(row[1], zone).date()
        for row in database.execute("SELECT id, ts FROM movement")
    }
    assert len(set(days.values())) == len(days) == 3
    for id, instant in database.execute("SELECT id, ts FROM movement UNION ALL SELECT id, ts FROM spin"):
        assert days[id // 10_000] == datetime.fromtimestamp(instant, zone).date()
    database.close()


def test_a_world_of_one_user_is_a_world(tmp_path: Path) -> None:
    assert made(tmp_path / "a", "2026-03-15T12:00:00", users=1)


def test_many_may_make_it_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        worlds = list(pool.map(lambda _: made(tmp_path / "a", "2026-03-15T12:00:00"), range(4)))
    assert all(world == worlds[0] for world in worlds)
    database = sqlite3.connect(tmp_path / "a")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_another_world_in_the_file_gives_way_with_a_word(tmp_path: Path) -> None:
    clock = Clock(ZoneInfo("UTC"), 1773576000)
    words = []
    for seed in (7, 7, 8):
        store = SandboxStore(tmp_path / "a", World(seed, 5, 1, 1, clock))
        words.append(store.prepare())
        store.reach()
        store.close()
    assert words == [None, None, "it had another seed"]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    world = World(7, 5, 1, 1, Clock(ZoneInfo("UTC"), 1773576000))
    (tmp_path / "text").write_text("dear diary, " * 100)
    with pytest.raises(WorldFileError, match="cannot be used"):
        SandboxStore(tmp_path / "text", world)
    database = sqlite3.connect(tmp_path / "other")
    database.execute("CREATE TABLE precious (thing)")
    database.close()
    store = SandboxStore(tmp_path / "other", world)
    with pytest.raises(WorldFileError, match="left alone"):
        store.prepare()
    store.close()
