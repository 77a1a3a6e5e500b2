"""Set up logging: one line per event on stderr, as JSON for programs or in colour for people, never with secrets.

The lines of other libraries go the same way. Libraries that log whole addresses, with tokens, are silenced.
"""

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import IO, Any, BinaryIO, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor

# They log the addresses that they call at the level `info`, and GameHub's addresses contain the token.
TALKATIVE = ("httpx", "httpcore", "hpack", "pyreqwest")

# Credentials in any form: keys, tokens, Basic, the signature of a link. Our code does not log them. This pattern
# protects against libraries and tracebacks.
_LETS_IN = re.compile(
    r"(ghk_[0-9a-f]{8}_)[A-Za-z0-9_-]{43}|(eyJ[A-Za-z0-9_-]{8,}\.)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    r"|(\bBasic )[A-Za-z0-9+/=_-]{8,}|(_signature=)[0-9a-f]{64}"
)


_LETS_IN_BYTES = re.compile(_LETS_IN.pattern.encode())


# The facts on every line of a request. The server runs each request in a context of its own.
LOG_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))


class _Lossy:
    """A stream that drops what cannot be written, so that a full disk does not fail a request."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream

    def write(self, line: Any) -> None:
        """Write a line, or drop it."""
        try:  # noqa: SIM105 - `suppress` takes longer, and this is done for each request
            self._stream.write(line)
        except OSError:
            pass

    def flush(self) -> None:
        """Write the buffered lines, as far as this is possible."""
        try:  # noqa: SIM105
            self._stream.flush()
        except OSError:
            pass


def add_context(logger: object, name: str, event: EventDict) -> EventDict:
    """Add the facts of the request to the line: the first processor of structlog."""
    for key, value in LOG_CONTEXT.get().items():
        event.setdefault(key, value)
    return event


def hide_credentials(logger: object, name: str, line: Any) -> Any:
    """Remove credentials from the line, a text or bytes: the last processor of structlog."""
    # The pattern takes as long as the rest of a line, and almost no line contains one of its beginnings.
    if isinstance(line, bytes):
        if b"ghk_" in line or b"eyJ" in line or b"Basic " in line or b"_signature=" in line:
            return _LETS_IN_BYTES.sub(lambda found: found[found.lastindex or 0] + b"***", line)
    elif "ghk_" in line or "eyJ" in line or "Basic " in line or "_signature=" in line:
        return _LETS_IN.sub(lambda found: f"{found[found.lastindex or 0]}***", line)
    return line


def set_up(level: str, format: str) -> None:
    """Set up logging for the whole process."""
    as_json = format == "json" or (format == "auto" and not sys.stderr.isatty())
    shared: Sequence[Processor] = (
        add_context,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )
    last: list[Processor]
    own: list[Processor]
    if as_json:
        # Without local variables, which may contain anything.
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]
        own = [_as_json]
        factory: Any = structlog.BytesLoggerFactory(cast(BinaryIO, _Lossy(sys.stderr.buffer)))
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]  # fmt: skip
        own = [*shared, *last, hide_credentials]
        factory = structlog.PrintLoggerFactory(cast(TextIO, _Lossy(sys.stderr)))
    last.append(hide_credentials)
    # Our own lines are written directly. Only those of libraries go through `logging`.
    structlog.configure(
        processors=own,
        logger_factory=factory,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    library = structlog.processors.JSONRenderer(lambda line, **_: _json(line).decode()) if as_json else last[-2]
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last[:-2], library, hide_credentials]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    # The command line reports start and stop. Warnings pass.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _as_json(logger: object, name: str, event: EventDict) -> Any:
    """Return the line of an event. Each request has one, and the processors of structlog take three times as long."""
    add_context(logger, name, event)
    event["level"] = _LEVELS.get(name, name)
    event["timestamp"] = datetime.now(UTC)
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, name, event)
    return hide_credentials(logger, name, _json(event))


# The names of structlog for levels with two names.
_LEVELS = {"exception": "error", "warn": "warning"}


def _json(line: Any, **options: Any) -> bytes:
    return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)
