"""Read a token that may change at any moment (C3), and remove every token from what is stored or shown (C2)."""

import contextlib
import json
import logging
import os
import re
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
# The place of a token in a request, for values that were never read here.
_PLACES = re.compile(r"""(api_token=)[^&\s"'\\<>]+|("?agent_token"?\s*[:=]\s*"?)[^",&\s}]+""")
_PLACES_BYTES = re.compile(_PLACES.pattern.encode())
_REMEMBERED = 32
# A file that was written this recently (in nanoseconds) may have been written again without a later time.
_TICK = 50_000_000


class SecretMissing(Exception):
    """Say that there is no token. The message names the source, never a value."""


class File:
    """Hold the text of a file, read again when the file has changed: its time, size or inode (mounted secrets swap it).

    If the file cannot be read or is empty, as during a replacement, the last text stays.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._seen: tuple[int, int, int] | None = None
        self._text: str | None = None

    def read(self, fresh: bool = False) -> str:
        """Return the text without surrounding blanks. `fresh` always reads the file. Raise SecretMissing."""
        try:
            stat = os.stat(self.path)
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            recent = time.time_ns() - stat.st_mtime_ns < _TICK
            if fresh or recent or seen != self._seen or self._text is None:
                text = self.path.read_text(encoding="utf-8").strip()
                self._text = text or self._text or ""
                self._seen = seen
        except (OSError, UnicodeError):
            if self._text is None:
                raise SecretMissing(f"the file {self.path} cannot be read") from None
        assert self._text is not None
        return self._text


class Secret:
    """Hold a token from a literal, a file or a function. Its own text never shows the value.

    A function is called for every request and must return at once. Former values are remembered for the redaction. A
    file is read at once, so that its first value counts while the file cannot be read or contains no token.
    """

    def __init__(self, source: str | Path | Callable[[], str]) -> None:
        self._source: File | Callable[[], str]
        if isinstance(source, Path):
            self._source = File(source)
        elif isinstance(source, str):
            self._source = lambda: source
        else:
            self._source = source
        self._known: deque[str] = deque(maxlen=_REMEMBERED)
        self.reading = 0
        self.current: str | None = None  # what was read last
        if isinstance(source, Path):
            with contextlib.suppress(SecretMissing):
                self.value()

    def value(self) -> str:
        """Return the present token. Raise SecretMissing."""
        return self._read(fresh=False)

    def renew(self, reading: int) -> None:
        """Read the token anew, unless that has happened since `reading` was noted: calls refused together share it."""
        if reading == self.reading:
            self.reading += 1
            self._read(fresh=True)

    def known(self) -> Iterable[str]:
        """Return every value seen so far (the last few). A token that no call has needed yet is read now."""
        if not self._known:
            with contextlib.suppress(SecretMissing):
                self.value()
        return tuple(self._known)

    def _read(self, fresh: bool) -> str:
        try:
            value = _token(self._source.read(fresh) if isinstance(self._source, File) else self._source())
        except SecretMissing:
            if self.current is None or not isinstance(self._source, File):
                raise
            return self.current
        except (OSError, ValueError):
            # Its text may contain a part of the secret.
            raise SecretMissing("the token cannot be read") from None
        self.current = value
        if value not in self._known:
            self._known.append(value)
        return value

    def __repr__(self) -> str:
        return f"<Secret {MASK}>"


def _token(value: str) -> str:
    if not value:
        raise SecretMissing("the token is empty")
    if not value.isascii() or not value.isprintable():
        raise SecretMissing("the token holds characters that a token cannot hold")
    return value


class Redactor:
    """Remove every known token from texts, in each form that a request or an answer may use."""

    def __init__(self, known: Callable[[], Iterable[str]]) -> None:
        self._known = known

    def text(self, text: str) -> str:
        """Return the text without tokens."""
        for form in self._forms():
            text = text.replace(form, MASK)
        return _PLACES.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)

    def value(self, value: Any) -> Any:
        """Return any JSON-like value without tokens: also in texts inside it and in keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(each) for each in value]
        return value

    def payload(self, payload: bytes, limit: int) -> bytes:
        """Return the first `limit` bytes of a payload, without tokens. No token is cut in half."""
        forms = [form.encode() for form in self._forms()]
        margin = max((len(form) for form in forms), default=0)
        # More than `limit` bytes are redacted, so that the rest ends before any place where a token could be cut.
        shortened = payload[: limit + margin]
        whole = len(shortened) == len(payload)
        for form in forms:
            shortened = shortened.replace(form, MASK.encode())
        shortened = _PLACES_BYTES.sub(lambda found: (found[1] or found[2]) + MASK.encode(), shortened)
        return shortened[: limit if whole else min(limit, max(len(shortened) - margin, 0))]

    def _forms(self) -> list[str]:
        forms = set()
        for value in self._known():
            forms |= {value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1]}
            forms.add(json.dumps(value)[1:-1].replace("/", "\\/"))  # as PHP writes a slash
        return sorted(forms, key=len, reverse=True)


_REDACTORS: "weakref.WeakSet[Redactor]" = weakref.WeakSet()
_CHATTY = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "hpack.hpack",
    "hpack.table",
    "stamina",
)


class _Quiet(logging.Filter):
    """Redact the log lines of HTTP libraries: httpx writes whole URLs at INFO."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        safe = text
        for redactor in list(_REDACTORS):
            safe = redactor.text(safe)
        if safe != text:
            record.msg, record.args = safe, ()
        return True


_QUIET = _Quiet()


def quieten(redactor: Redactor) -> None:
    """Redact the log lines of the HTTP libraries with `redactor`, as long as it lives."""
    _REDACTORS.add(redactor)
    for name in _CHATTY:
        logging.getLogger(name).addFilter(_QUIET)
