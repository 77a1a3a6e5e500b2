"""A token that may change at any moment (C3), and the removal of every token from stored and shown texts (C2)."""

import contextlib
import json
import logging
import re
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from upstream.transport.watched import Watched

MASK = "***"
# The places of tokens in a request, for values that were never read here.
_PLACES = re.compile(r"""(api_token=)[^&\s"'\\<>]+|("?agent_token"?\s*[:=]\s*"?)[^",&\s}]+""")
_PLACES_BYTES = re.compile(_PLACES.pattern.encode())
_REMEMBERED = 32


class SecretMissing(Exception):
    """There is no token; the message names the source, never a value."""


class File:
    """The text of a file, read again whenever the file has changed.

    If the file cannot be read or is empty, as while it is replaced, the last text stays.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._text = ""
        self._watched: Watched[str] | None = None

    def read(self, fresh: bool = False) -> str:
        """Return the text without surrounding blanks. Raises SecretMissing.

        `fresh` reads the file even if it looks unchanged.
        """
        if self._watched is None:
            try:
                self._watched = Watched(self.path, self._read, quiet=True)
            except (OSError, UnicodeError):
                raise SecretMissing(f"the file {self.path} cannot be read") from None
        elif fresh:
            self._watched.renew()
        return self._watched.value

    def _read(self, path: Path) -> str:
        self._text = path.read_text(encoding="utf-8").strip() or self._text
        return self._text


class Secret:
    """A token from a literal, a file or a function; it never shows its value in a text of its own.

    A function is called at every request, or at the first one after so many `seconds`. It must return at once. Old
    values are remembered for the redaction. A file is read at once, so that its first value counts while the file
    cannot be read or holds no token.
    """

    def __init__(self, source: str | Path | Callable[[], str], seconds: float = 0.0) -> None:
        self._source: File | Callable[[], str]
        if isinstance(source, Path):
            self._source = File(source)
        elif isinstance(source, str):
            self._source = lambda: source
        else:
            self._source = source
        self._known: deque[str] = deque(maxlen=_REMEMBERED)
        self._seconds = seconds
        self._until = 0.0  # until when the source is not read again
        self.reading = 0
        self.current: str | None = None  # what was read last
        if isinstance(source, Path):
            with contextlib.suppress(SecretMissing):
                self.value()

    def value(self) -> str:
        """The token now. Raises SecretMissing."""
        if self.current is not None and self._seconds and time.monotonic() < self._until:
            return self.current
        return self._read(fresh=False)

    def renew(self, reading: int) -> None:
        """Read the token anew, unless that has happened since `reading` was noted: calls refused together share it."""
        if reading == self.reading:
            self.reading += 1
            self._read(fresh=True)

    def known(self) -> Iterable[str]:
        """Every value seen so far (the last few of them); a token that no call needed yet is looked at now."""
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
            # Its text may hold a part of what was read.
            raise SecretMissing("the token cannot be read") from None
        self.current = value
        if self._seconds:
            self._until = time.monotonic() + self._seconds
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
    """Takes every known token out of texts, in each way of writing that a request or an answer may use."""

    def __init__(self, known: Callable[[], Iterable[str]]) -> None:
        self._known = known

    def text(self, text: str) -> str:
        """The text without tokens."""
        return _without(self.forms(), text)

    def value(self, value: Any) -> Any:
        """The same for any JSON-like value: texts inside it, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(each) for each in value]
        return value

    def payload(self, payload: bytes, limit: int) -> bytes:
        """The first `limit` bytes of a payload, without tokens: no token is cut in half to escape notice."""
        forms = [form.encode() for form in _longest_first(self.forms())]
        margin = max((len(form) for form in forms), default=0)
        # Redact so much that the returned text ends before the last place where a token could have been cut.
        shown = payload[: limit + margin]
        whole = len(shown) == len(payload)
        for form in forms:
            shown = shown.replace(form, MASK.encode())
        shown = _PLACES_BYTES.sub(lambda found: (found[1] or found[2]) + MASK.encode(), shown)
        return shown[: limit if whole else min(limit, max(len(shown) - margin, 0))]

    def forms(self) -> set[str]:
        """Return every token, in each way of writing."""
        forms = set()
        for value in self._known():
            forms |= {value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1]}
            forms.add(json.dumps(value)[1:-1].replace("/", "\\/"))  # as PHP writes a slash
        return forms


def _longest_first(forms: Iterable[str]) -> list[str]:
    """Return the forms so that a token that contains another one is replaced as a whole."""
    return sorted(forms, key=len, reverse=True)


def _without(forms: Iterable[str], text: str) -> str:
    """Return a text without these forms of tokens, and without what stands in the place of a token."""
    for form in _longest_first(forms):
        text = text.replace(form, MASK)
    return _PLACES.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)


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
    """Redacts what HTTP libraries log of their own accord: httpx writes whole URLs at INFO."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        safe = _without({form for redactor in list(_REDACTORS) for form in redactor.forms()}, text)
        if safe != text:
            record.msg, record.args = safe, ()
        return True


_QUIET = _Quiet()


def quieten(redactor: Redactor) -> None:
    """Have the log lines of the HTTP libraries redacted by `redactor`, for as long as it lives."""
    _REDACTORS.add(redactor)
    for name in _CHATTY:
        logging.getLogger(name).addFilter(_QUIET)
