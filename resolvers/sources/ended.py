"""Stand for an operation that has ended, where its parts referred to it."""

import asyncio
from typing import Any


class _Ended:
    """Cancel a task that still asks for something of the operation: no one needs its result."""

    def __getattr__(self, name: str) -> Any:
        raise asyncio.CancelledError


# An operation and its parts refer to each other. A part that is closed refers to this instead, so that both are
# released at once and need no garbage collector.
ENDED: Any = _Ended()


async def ended(_: Any) -> Any:
    """Stand for a function of an operation that has ended."""
    raise asyncio.CancelledError
