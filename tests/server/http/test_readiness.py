"""The readiness of the server: its own state alone."""

import sqlite3
from pathlib import Path

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.http.readiness import Readiness


def test_what_is_wrong_is_said_by_the_part_of_the_server() -> None:
    wrong: str | None = None
    readiness = Readiness({"keys": lambda: wrong, "fine": lambda: None}, lambda: ["A breaker is open."])
    assert readiness.wrong == {}
    wrong = "unreadable"
    assert readiness.wrong == {"keys": "unreadable"}
    assert readiness.notes == ["A breaker is open."]
    readiness.drain()
    assert readiness.wrong == {"server": "is stopping"}


def test_unreadable_keys_make_a_server_that_needs_them_unready(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    closed = Authenticator(required=True, keys=Keys(path, stale_seconds=0, look_seconds=0))
    assert closed.wrong() is None  # a missing file has no keys
    KeyFile(path).create(Caller("bi", None))
    assert closed.wrong() is None
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(b"no database" * 100)
    assert closed.wrong() == "the API keys cannot be read"
    assert Authenticator(required=False, keys=Keys(path, stale_seconds=0)).wrong() is None
    path.unlink()
    path.write_bytes(content)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint")
    assert closed.wrong() is None
