"""The error journal: bounded, durable, and never in the way (C10, issue of failed calls)."""

import datetime
import json
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from upstream.errors import Malformed, UpstreamError, UpstreamFailed
from upstream.journal import PAYLOAD_LIMIT, Journal, JournalUnreadable


def error(number: int = 1, payload: bytes | None = b"<html>") -> UpstreamError:
    return Malformed(
        f"error {number}",
        report="R5",
        params={"group_id": 382, "from": "2024-05-01T00:00:00+00:00"},
        status=200,
        upstream_code="10000",
        correlation_id=f"id{number}",
        payload=payload,
    )


def test_an_error_is_kept_whole(journal: Journal) -> None:
    before = datetime.datetime.now(datetime.UTC)
    journal.record(error())
    (entry,) = journal.entries()
    assert before <= entry.at <= datetime.datetime.now(datetime.UTC)
    assert (entry.correlation_id, entry.code, entry.report) == ("id1", "UPSTREAM_MALFORMED", "R5")
    assert entry.params == {"group_id": 382, "from": "2024-05-01T00:00:00+00:00"}
    assert (entry.status, entry.upstream_code, entry.message, entry.payload) == (200, "10000", "error 1", b"<html>")


def test_an_error_names_the_request_and_the_caller_but_not_for_the_vendor(journal: Journal, tmp_path: Path) -> None:
    failed = error()
    failed.request, failed.caller = "4f0c", "power-bi"
    for one in (failed, error(2)):
        journal.record(one)
    (entry,) = journal.entries(request="4f0c")
    assert (entry.correlation_id, entry.request, entry.caller) == ("id1", "4f0c", "power-bi")
    assert [entry.correlation_id for entry in journal.entries()] == ["id1", "id2"]
    assert [entry.correlation_id for entry in journal.entries(request="id2")] == ["id2"]
    assert journal.export(tmp_path / "errors.jsonl", request="4f0c") == 1
    exported = json.loads((tmp_path / "errors.jsonl").read_text("utf-8"))
    assert (exported["request"], exported["caller"]) == ("4f0c", "")


def test_the_file_of_an_earlier_version_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "errors.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE error (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, correlation_id TEXT NOT NULL, "
            "code TEXT NOT NULL, report TEXT NOT NULL, params TEXT NOT NULL, status INTEGER, upstream_code TEXT, "
            "message TEXT NOT NULL, payload BLOB, size INTEGER NOT NULL)"
        )
        earlier = (
            "INSERT INTO error (at, correlation_id, code, report, params, message, size) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        row = ("2026-03-15T12:00:00+00:00", "old", "UPSTREAM_ERROR", "R5", "{}", "a failure", 10)
        connection.execute(earlier, row)
    with Journal(path) as journal:
        journal.record(error())
        assert [(entry.correlation_id, entry.request) for entry in journal.entries()] == [("old", ""), ("id1", "")]
    with closing(sqlite3.connect(path)) as connection, connection:  # the earlier version during a rolling upgrade
        connection.execute(earlier, row)
        assert connection.execute("SELECT count(*) FROM error").fetchone() == (3,)


def test_entries_since_and_the_newest_of_them(journal: Journal) -> None:
    journal.record(error(1))
    journal.flush()
    middle = datetime.datetime.now(datetime.UTC)
    for number in (2, 3, 4):
        journal.record(error(number))
    assert [entry.correlation_id for entry in journal.entries()] == ["id1", "id2", "id3", "id4"]
    assert [entry.correlation_id for entry in journal.entries(since=middle)] == ["id2", "id3", "id4"]
    assert [entry.correlation_id for entry in journal.entries(limit=2)] == ["id3", "id4"]


def test_there_is_nothing_in_a_journal_that_is_not_there(tmp_path: Path) -> None:
    with Journal(tmp_path / "none.sqlite") as journal:
        assert journal.entries() == []
        assert not (tmp_path / "none.sqlite").exists()


def test_the_export_is_a_line_of_json_an_error(journal: Journal, tmp_path: Path) -> None:
    journal.record(error(1, b"\xff\xfe caf\xc3\xa9"))
    journal.record(error(2, None))
    assert journal.export(tmp_path / "errors.jsonl") == 2
    first, second = (json.loads(line) for line in (tmp_path / "errors.jsonl").read_text("utf-8").splitlines())
    assert first["payload"] == "\ufffd\ufffd café"
    assert second["payload"] is None
    assert (second["correlation_id"], second["params"]["group_id"]) == ("id2", 382)
    assert list(tmp_path.glob("*.part")) == []


def test_the_oldest_make_room_by_number(tmp_path: Path) -> None:
    with Journal(tmp_path / "errors.sqlite", max_entries=5) as journal:
        for number in range(20):
            journal.record(error(number))
        assert [entry.message for entry in journal.entries()] == [f"error {number}" for number in range(15, 20)]


def test_the_oldest_make_room_by_size(tmp_path: Path) -> None:
    with Journal(tmp_path / "errors.sqlite", max_bytes=50_000) as journal:
        for number in range(20):
            journal.record(error(number, b"x" * 10_000))
        entries = journal.entries()
    assert 3 <= len(entries) <= 5
    assert entries[-1].message == "error 19"


def test_a_payload_is_bounded(journal: Journal) -> None:
    journal.record(error(1, b"x" * 1_000_000))
    (entry,) = journal.entries()
    assert entry.payload == b"x" * PAYLOAD_LIMIT


def test_two_processes_may_share_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "errors.sqlite") as one, Journal(tmp_path / "errors.sqlite") as two:
        threads = [
            threading.Thread(target=lambda each=each: [each.record(error()) for _ in range(50)]) for each in (one, two)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        two.flush()
        assert len(one.entries()) == 100


def test_many_that_open_a_new_file_at_once_lose_nothing(tmp_path: Path) -> None:
    for number in range(30):
        journals = [Journal(tmp_path / f"{number}.sqlite") for _ in range(6)]
        for journal in journals:
            journal.record(error())
        for journal in journals:
            journal.flush()
        assert len(journals[0].entries()) == 6
        for journal in journals:
            journal.close()


def test_it_survives_a_crash(tmp_path: Path) -> None:
    script = """
import os, sys
from upstream.errors import UpstreamFailed
from upstream.journal import Journal
journal = Journal(sys.argv[1])
for number in range(10):
    journal.record(UpstreamFailed(f"error {number}", report="R5"))
journal.flush()
os.kill(os.getpid(), 9)
"""
    path = tmp_path / "errors.sqlite"
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False, timeout=60)
    assert done.returncode == -9
    with Journal(path) as journal:
        assert [entry.message for entry in journal.entries()] == [f"error {number}" for number in range(10)]
        journal.record(UpstreamFailed("after"))
        assert len(journal.entries()) == 11


def test_it_survives_a_crash_in_the_middle_of_writing(tmp_path: Path) -> None:
    script = """
import sys
from upstream.errors import UpstreamFailed
from upstream.journal import Journal
journal = Journal(sys.argv[1], max_entries=50)
for number in range(100_000):
    journal.record(UpstreamFailed(f"error {number}", report="R5", payload=b"x" * 10_000))
    if number % 10 == 9:
        journal.flush()
        print(number, flush=True)
"""
    path = tmp_path / "errors.sqlite"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        written = 0
        while written < 99:
            written = int(writer.stdout.readline())
        writer.kill()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Journal(path, max_entries=50) as journal:
        numbers = [int(entry.message.removeprefix("error ")) for entry in journal.entries()]
    # Nothing is lost that was written before the crash, and nothing is kept beyond the bound.
    assert numbers == list(range(numbers[-1] - 49, numbers[-1] + 1))
    assert numbers[-1] >= written


def test_a_journal_that_cannot_be_written_fails_nothing(tmp_path: Path, logs: list[Any]) -> None:
    (tmp_path / "file").write_text("not a folder")
    with Journal(tmp_path / "file" / "errors.sqlite") as journal:
        journal.record(error())
        journal.flush()
    assert [line["event"] for line in logs] == ["journal.unwritable"]


def test_a_full_disk_fails_nothing(tmp_path: Path, logs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def full(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.execute("PRAGMA max_page_count = 6")
        return connection

    with Journal(tmp_path / "errors.sqlite") as journal:
        journal.record(error())
        journal.flush()
        monkeypatch.setattr(sqlite3, "connect", full)
        for number in range(10):
            journal.record(error(number, b"x" * 16_000))
        journal.flush()
    assert {line["event"] for line in logs} == {"journal.unwritable"}


def test_a_journal_that_cannot_be_used_is_logged_once_until_it_can(tmp_path: Path, logs: list[Any]) -> None:
    path = tmp_path / "errors.sqlite"
    with Journal(path) as journal:
        for _ in range(2):
            path.write_bytes(b"no database" * 1000)
            for number in range(3):
                journal.record(error(number))
                assert journal.noted("anything") is None
                assert journal.noted_under("any") == {}
            path.unlink()
            journal.record(error())
            journal.flush()
            assert journal.noted("anything") is None
            path.unlink()
    events = [(line["event"], line.get("lost")) for line in logs]
    assert events == [("journal.unwritable", None), ("journal.unreadable", None), ("journal.writable", 3)] * 2


def test_the_file_is_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "errors.sqlite"
    with Journal(path) as journal:
        journal.record(error())
        journal.flush()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
        # One that an earlier version made is closed to others.
        path.chmod(0o644)
        journal.record(error())
        journal.flush()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with Journal(tmp_path / "errors.sqlite") as journal:
        journal.record(error())
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_what_is_no_journal_cannot_be_read_and_the_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "errors.sqlite").write_bytes(b"no database" * 1000)
    with Journal(tmp_path / "errors.sqlite") as journal, pytest.raises(JournalUnreadable, match="cannot be read"):
        journal.entries()


def test_a_closed_journal_fails_nothing(tmp_path: Path, logs: list[Any]) -> None:
    journal = Journal(tmp_path / "errors.sqlite")
    journal.close()
    journal.record(error())
    assert [line["event"] for line in logs] == ["journal.closed"]


def test_the_errors_of_a_storm_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, connect, opened = threading.Event(), sqlite3.connect, []

    def slow(*args: Any, **options: Any) -> sqlite3.Connection:
        gate.wait(20)
        opened.append(args)
        connection: sqlite3.Connection = connect(*args, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", slow)
    with Journal(tmp_path / "errors.sqlite") as journal:
        for number in range(300):
            journal.record(error(number))
        gate.set()
        journal.flush()
        assert len(opened) <= 2
        assert len(journal.entries()) == 300


def test_too_many_errors_at_once_are_dropped_not_queued(tmp_path: Path, logs: list[Any]) -> None:
    gate = threading.Event()
    with Journal(tmp_path / "errors.sqlite") as journal:
        write = journal._write

        def slow() -> None:
            gate.wait(20)
            write()

        journal._write = slow  # type: ignore[method-assign]
        for number in range(1500):
            journal.record(error(number))
        assert [line["event"] for line in logs].count("journal.full") == 500
        journal._pending.clear()
        gate.set()
        journal._writer.shutdown(wait=True, cancel_futures=True)
