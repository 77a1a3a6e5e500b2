"""Set up logging: one line per event on stderr, as JSON for programs or in colour for people, never with secrets.

The lines of other libraries go the same way. Libraries that log whole addresses, with tokens, are silenced. A server
writes its lines in batches, see `server.log_lines`.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor

from server.log_lines import LibraryLines, LineLogger, LogLines

# They log the addresses that they call at the level `info`, and GameHub's addresses contain the token.
TALKATIVE = ("httpx", "httpcore", "hpack", "pyreqwest", "botocore", "aiobotocore")

# Credentials in any form: keys, tokens, Basic, the signature of a link. Our code does not log them. This pattern
# protects against libraries and tracebacks.
_LETS_IN = re.compile(
    r"(ghk_[0-9a-f]{8}_)[A-Za-z0-9_-]{43}|(eyJ[A-Za-z0-9_-]{8,}\.)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    r"|(\bBasic )[A-Za-z0-9+/=_-]{8,}|(_signature=)[0-9a-f]{64}"
)


_LETS_IN_BYTES = re.compile(_LETS_IN.pattern.encode())


# The facts on every line of a request. The server runs each request in a context of its own.
LOG_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))
# The same facts in the scope of the request, so that later parts can add to them.
LOG_FACTS = "log_facts"


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


@dataclass(slots=True)
class _Output:
    """The lines of this process, None before `set_up`, and what is written of the line of a request."""

    lines: LogLines | None = None
    as_json: bool = False
    level: int = logging.NOTSET


_output = _Output()


def set_up(level: str, format: str, *, shared_stderr: bool = False) -> None:
    """Set up logging for the whole process. Other processes write to a shared stderr, too."""
    as_json = format == "json" or (format == "auto" and not sys.stderr.isatty())
    stream, line_end = (sys.stderr.buffer, b"\n") if as_json else (sys.stderr, "\n")
    lines = LogLines(stream, line_end, shared=shared_stderr)
    _output.lines, _output.as_json, _output.level = lines, as_json, logging.getLevelNamesMapping()[level.upper()]
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
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]  # fmt: skip
        own = [*shared, *last, hide_credentials]
    last.append(hide_credentials)
    # Our own lines are written directly. Only those of libraries go through `logging`.
    structlog.configure(
        processors=own,
        logger_factory=lambda *names: LineLogger(lines),
        wrapper_class=structlog.make_filtering_bound_logger(_output.level),
        cache_logger_on_first_use=True,
    )
    library = structlog.processors.JSONRenderer(lambda line, **_: _json(line).decode()) if as_json else last[-2]
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last[:-2], library, hide_credentials]
    handler = LibraryLines(lines, encoded=as_json)
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


@contextmanager
def batches() -> Iterator[None]:
    """Write the lines of a block in batches. It runs in an event loop."""
    if _output.lines is None:
        yield
        return
    with _output.lines.batches():
        yield


def flush() -> None:
    """Write the lines that wait for the next batch."""
    if _output.lines is not None:
        _output.lines.flush()


def write_refusal(why: str) -> None:
    """Write why the server does not start, as JSON. The settings may be unknown."""
    if _output.lines is None:
        set_up("info", "json")
    _log.error("server.refused", why=why)
    flush()


def note_caller(scope: MutableMapping[str, Any], name: str) -> None:
    """Add the caller to the facts of a request."""
    if LOG_FACTS in scope:
        scope[LOG_FACTS]["caller"] = name
    else:
        LOG_CONTEXT.set({"caller": name})


def write_request(level: int, line: EventDict, request: str) -> None:
    """Write the line of a request with this id, as structlog would, but with a tenth of its calls."""
    if _output.lines is None or not _output.as_json:
        _log.log(level, "request", **line, request=request)
    elif level >= _output.level:
        line["event"] = "request"
        line["request"] = request
        line["level"] = "debug" if level == logging.DEBUG else "info"
        line["timestamp"] = datetime.now(UTC)
        _output.lines.later(hide_credentials(None, "", orjson.dumps(line, default=str, option=_OPTIONS)))


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


_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
_log = structlog.get_logger(__name__)


def _json(line: Any, **options: Any) -> bytes:
    return orjson.dumps(line, default=str, option=_OPTIONS)
