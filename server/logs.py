"""How the server logs: one line an event on stderr, as JSON for programs or coloured for people, secrets never.

The lines of other libraries come the same way. Those that write whole addresses, tokens included, are kept quiet (C2).
"""

import logging
import sys
from collections.abc import Sequence

import structlog
from structlog.typing import Processor

# They log the addresses they call at the level `info`, and GameHub's addresses hold the token.
TALKATIVE = ("httpx", "httpcore", "hpack", "pyreqwest")


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
