"""How the server logs: one line an event on stderr, as JSON for programs or coloured for people, secrets never.

The lines of other libraries come the same way. Those that write whole addresses, tokens included, are kept quiet (C2).
"""

import logging
import re
import sys
from collections.abc import Sequence

import structlog
from structlog.typing import Processor

# They log the addresses they call at the level `info`, and GameHub's addresses hold the token.
TALKATIVE = ("httpx", "httpcore", "hpack", "pyreqwest")

# What lets a caller in, as it is written wherever it may turn up: keys, tokens, Basic, the signature of a link. Nobody
# logs these; should a library or a traceback ever do so, they do not show.
_LETS_IN = re.compile(
    r"(ghk_[0-9a-f]{8}_)[A-Za-z0-9_-]{43}|(eyJ[A-Za-z0-9_-]{8,}\.)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    r"|(\bBasic )[A-Za-z0-9+/=_-]{8,}|(_signature=)[0-9a-f]{64}"
)


def veil(logger: object, name: str, line: str) -> str:
    """The line without what lets a caller in: structlog's last step."""
    return _LETS_IN.sub(lambda found: f"{found[found.lastindex or 0]}***", line)


def set_up(level: str, format: str) -> None:
    """Set up logging for the whole process."""
    as_json = format == "json" or (format == "auto" and not sys.stderr.isatty())
    shared: Sequence[Processor] = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        # Without local variables, which may hold anything.
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    else:
        last += [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]  # fmt: skip
    last.append(veil)  # type: ignore[arg-type]  # a renderer stands before it: what comes is the line
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
    # Its comings and goings are said by the command line; its troubles pass.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
