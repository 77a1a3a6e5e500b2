"""Tokens that change, and their removal from everything that is kept or shown (C2, C3)."""

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upstream.transport import secret as module
from upstream.transport.secret import File, Redactor, Secret, SecretMissing, quieten

TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40)


def test_a_literal_a_file_and_a_function(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  from a file\n")
    assert Secret("literal").value() == "literal"
    assert Secret(tmp_path / "token").value() == "from a file"
    assert Secret(lambda: "asked").value() == "asked"


def test_c03_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    secret = Secret(file)
    assert secret.value() == "one"
    file.write_text("three")
    assert secret.value() == "three"
    # replaced as a whole, as mounted secrets are: another inode
    (tmp_path / "next").write_text("seven")
    (tmp_path / "next").rename(file)
    assert secret.value() == "seven"
    assert list(secret.known()) == ["one", "three", "seven"]


def test_c03_a_file_that_is_being_replaced_keeps_its_last_text(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    secret = Secret(file)
    secret.value()
    file.unlink()
    assert secret.value() == "one"


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.write_text(""), lambda path: path.write_text("a b\nc")]
)
def test_c03_a_file_that_is_spoilt_before_the_first_call_keeps_what_it_held(
    spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    secret = Secret(file)
    spoil(file)
    assert secret.value() == "one"
    secret.renew(secret.reading)
    assert secret.value() == "one"
    file.write_text("two")
    assert secret.value() == "two"


def test_a_function_that_fails_is_a_missing_token_and_quotes_nothing() -> None:
    def fail() -> str:
        raise ValueError("hush-hush")

    with pytest.raises(SecretMissing) as caught:
        Secret(fail).value()
    assert "hush" not in str(caught.value)


def test_c03_an_unchanged_look_does_not_hide_a_change_from_a_renewal(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    secret = Secret(file)
    secret.value()
    file.write_text("two")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert secret.value() == "one"
    secret.renew(secret.reading)
    assert secret.value() == "two"


def test_c03_a_change_within_a_tick_of_the_file_system_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    secret = Secret(file)
    assert secret.value() == "one"
    stat = file.stat()
    file.write_text("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert secret.value() == "two"


@pytest.mark.parametrize("text", ["", "  \n", "a\nb", "tökën"])
def test_what_cannot_be_a_token_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(SecretMissing) as caught:
        Secret(tmp_path / "token").value()
    assert "tök" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match="none cannot be read"):
        File(tmp_path / "none").read()


def test_c02_a_secret_never_shows_itself() -> None:
    secret = Secret("hush-hush")
    secret.value()
    assert "hush" not in f"{secret} {secret!r}"


@given(TOKENS, st.text(max_size=20), st.text(max_size=20))
def test_c02_no_way_of_writing_a_token_passes(token: str, before: str, after: str) -> None:
    redactor = Redactor(lambda: [token])
    escaped = json.dumps(token)[1:-1]
    forms = [token, quote(token), quote(token, safe=""), quote_plus(token), escaped, escaped.replace("/", "\\/")]
    for form in forms:
        text = f"{before}{form}{after}"
        assert form not in redactor.text(text).replace("***", "")
        assert form.encode() not in redactor.payload(text.encode("utf-8", "replace"), 1000).replace(b"***", b"")


def test_c02_tokens_in_their_places_are_taken_out_unknown() -> None:
    redactor = Redactor(list)
    assert redactor.text("GET /?api_token=abc&report_type=x") == "GET /?api_token=***&report_type=x"
    assert redactor.text('{"agent_token": "abc", "page": 0}') == '{"agent_token": "***", "page": 0}'
    assert redactor.payload(b"?api_token=abc", 100) == b"?api_token=***"


@given(TOKENS, st.integers(0, 120), st.integers(0, 3))
def test_c02_no_cut_leaves_a_part_of_a_token(token: str, start: int, others: int) -> None:
    payload = (token.encode() + b" ") * others + b"." * start + token.encode() + b"." * 200
    kept = Redactor(lambda: [token]).payload(payload, 100)
    assert len(kept) <= 100
    if not set("*. ") & set(token):
        assert token[:3].encode() not in kept


def test_c02_values_inside_values_are_redacted() -> None:
    redactor = Redactor(lambda: ["hush"])
    assert redactor.value({"a": ["hush", 1, None], "hush": ("x hush",)}) == {"a": ["***", 1, None], "***": ["x ***"]}


def test_c02_lines_of_the_http_libraries_are_redacted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests have secrets of their own, such as `token`.
    monkeypatch.setattr(module, "_REDACTORS", set())
    redactor = Redactor(lambda: ["hush-hush"])
    quieten(redactor)
    with caplog.at_level(logging.DEBUG):
        for name in ("httpx", "httpcore.http11"):
            logging.getLogger(name).info("HTTP Request: %s %s", "GET", "https://a/?api_token=hush-hush&x=1")
            logging.getLogger(name).info("nothing to hide: %s", 1)
    assert "hush" not in caplog.text
    assert caplog.messages[0] == "HTTP Request: GET https://a/?api_token=***&x=1"
    assert caplog.messages[1] == "nothing to hide: 1"


def test_c02_a_token_that_contains_that_of_another_client_is_taken_out_whole(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [f"s3cret/{'token+' * number}z" for number in range(6)] + ["token", "s3cret", "+z"]
    line = " ".join(quote_plus(token) for token in tokens)
    monkeypatch.setattr(module, "_REDACTORS", set())
    quieten(Redactor(list))
    for order in (tokens, tokens[::-1]):
        redactors = [Redactor(lambda token=token: [token]) for token in order]  # type: ignore[misc]
        monkeypatch.setattr(module, "_REDACTORS", dict.fromkeys(redactors))
        with caplog.at_level(logging.DEBUG):
            logging.getLogger("httpx").info(line)
        assert caplog.messages[-1] == " ".join(["***"] * len(tokens))


def test_c03_a_source_that_is_read_seldom_is_read_again_after_its_time() -> None:
    values = iter(range(9))
    secret = Secret(lambda: f"token-{next(values)}", 0.05)
    assert [secret.value() for _ in range(3)] == ["token-0"] * 3
    time.sleep(0.06)
    assert [secret.value() for _ in range(3)] == ["token-1"] * 3
    secret.renew(secret.reading)
    assert [secret.value() for _ in range(3)] == ["token-2"] * 3
