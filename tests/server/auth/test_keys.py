"""API keys: made once, known by their hash, and gone the moment they are revoked."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.caller import Caller
from server.auth import key as key_module
from server.auth.key import KeysUnreadable, KeyTrouble, Rates, looks_like_key
from server.auth.key_file import KeyFile
from server.auth.keys import LOOK_SECONDS, Keys

ANNA = Caller("anna", frozenset({383, 382}), frozenset({"explore", "tables"}))


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "state" / "keys.sqlite")


def test_a_key_is_kept_as_its_hash(file: KeyFile) -> None:
    made, text = file.create(ANNA, Rates(60, None))
    assert looks_like_key(text)
    assert len(text) == len("ghk_") + 8 + 1 + 43  # 256 bits
    (listed,) = file.listed()
    assert listed == made
    assert (listed.caller, listed.rates, listed.last_four) == (ANNA, Rates(60, None), text[-4:])
    kept = b"".join(path.read_bytes() for path in file.path.parent.iterdir())
    assert text.encode() not in kept
    assert text[-43:][:20].encode() not in kept
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_what_is_made_and_revoked_is_known_at_once(file: KeyFile) -> None:
    keys = Keys(file.path, look_seconds=0)
    assert keys.key("anything") is None
    made, text = file.create(ANNA)
    assert keys.key(text) == made
    assert keys.by_id(made.id) == made
    other, second = file.create(Caller("all", None, frozenset({"admin"})))
    assert keys.key(second) == other
    assert file.revoke("anna").id == made.id
    assert keys.key(text) is None
    assert keys.by_id(made.id) is None
    assert keys.key(second) == other
    assert file.revoke(other.id).caller.name == "all"
    assert keys.key(second) is None
    assert [key.revoked is not None for key in file.listed()] == [True, True]
    file.create(ANNA)  # the name is free again
    keys.close()


def test_the_file_is_looked_at_four_times_per_second(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    _, text = file.create(ANNA)
    keys = Keys(file.path)
    looks: list[object] = []
    stat_of, now = os.stat, time.monotonic()

    def counted(path: object, **options: Any) -> os.stat_result:
        looks.append(path)
        return stat_of(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("server.auth.keys.time", SimpleNamespace(monotonic=lambda: now))
    assert keys.key(text) is not None
    monkeypatch.setattr("os.stat", counted)
    for _ in range(25):
        now += LOOK_SECONDS / 10
        assert keys.key(text) is not None
        assert keys.by_id(text[4:12]) is not None
    assert looks.count(file.path) == 2
    made, second = file.create(Caller("new"))
    assert keys.key(second) == made  # a key that is not known makes it look at once
    file.revoke("anna")
    file.revoke("new")
    now += LOOK_SECONDS
    assert keys.key(text) is None
    assert keys.by_id(made.id) is None
    keys.close()


def test_a_file_that_is_replaced_or_gone(file: KeyFile, tmp_path: Path) -> None:
    _, text = file.create(ANNA)
    keys = Keys(file.path, look_seconds=0)
    assert keys.key(text) is not None
    other = KeyFile(tmp_path / "other.sqlite")
    made, second = other.create(Caller("other"))
    other.path.replace(file.path)
    assert keys.key(text) is None
    assert keys.key(second) == made
    file.path.unlink()
    assert keys.key(second) is None
    keys.close()


def test_a_file_that_cannot_be_read_counts_a_little_longer(file: KeyFile) -> None:
    _, text = file.create(ANNA)
    for stale_seconds, known in ((60.0, True), (-1.0, False)):
        keys = Keys(file.path, stale_seconds, look_seconds=0)
        assert keys.key(text) is not None
        good = file.path.read_bytes()
        rubbish = file.path.with_name("rubbish")
        rubbish.write_bytes(b"not a database" * 1000)
        rubbish.replace(file.path)
        if known:
            assert keys.key(text) is not None
        else:
            # It is unknown which keys live: no answer says that a right one is wrong.
            with pytest.raises(KeysUnreadable):
                keys.key(text)
        rubbish.write_bytes(good)
        rubbish.replace(file.path)
        assert keys.key(text) is not None
        keys.close()
    file.path.write_bytes(b"not a database" * 1000)
    with pytest.raises(KeyTrouble, match="cannot be read"):
        file.listed()
    with pytest.raises(KeyTrouble, match="cannot be written"):
        file.create(ANNA)


def test_a_key_expires(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    _, text = file.create(ANNA, expires=end)
    keys = Keys(file.path)
    assert keys.key(text) is not None

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Later":
            return cls.fromtimestamp(end.timestamp(), UTC)

    monkeypatch.setattr(key_module, "datetime", Later)
    assert keys.key(text) is None
    keys.close()
    with pytest.raises(KeyTrouble, match="expire before it is made"):
        file.create(Caller("late"), expires=end)


@pytest.mark.parametrize("name", ["", "open", "a b", "a:b", "a/b", "-a", "a" * 65, "a\n", "jwt:anna", "ä"])
def test_names(file: KeyFile, name: str) -> None:
    with pytest.raises(KeyTrouble, match="is no name for a key"):
        file.create(Caller(name))


def test_trouble(file: KeyFile, tmp_path: Path) -> None:
    with pytest.raises(KeyTrouble, match="no key 'anna', or it is revoked"):
        file.revoke("anna")
    file.create(ANNA)
    with pytest.raises(KeyTrouble, match="there is a key named anna"):
        file.create(ANNA)
    (tmp_path / "plain").write_text("")
    with pytest.raises(KeyTrouble, match="cannot be written"):
        KeyFile(tmp_path / "plain" / "keys.sqlite").create(ANNA)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Keys, str]]:
    file = KeyFile(tmp_path_factory.mktemp("keys") / "keys.sqlite")
    _, text = file.create(ANNA)
    keys = Keys(file.path)
    yield keys, text
    keys.close()


@given(data=st.data())
def test_no_other_text_is_the_key(known: tuple[Keys, str], data: st.DataObject) -> None:
    keys, text = known
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda letter: letter != text[place]))
    assert keys.key(text[:place] + other + text[place + 1 :]) is None
    assert keys.key(text[:place]) is None
    assert keys.key(text + other) is None
    assert keys.key(text) is not None


def test_a_writer_holds_up_no_reader(file: KeyFile) -> None:
    file.create(ANNA)
    with sqlite3.connect(file.path) as writer:
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        writer.execute("BEGIN IMMEDIATE")
        keys = Keys(file.path)
        assert [key.caller.name for key in file.listed()] == ["anna"]
        assert keys.by_id(file.listed()[0].id) is not None
        keys.close()
        writer.rollback()
    writer.close()
