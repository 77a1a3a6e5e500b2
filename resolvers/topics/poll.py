"""A poll of a topic has an answer, or the error that prevented it. All subscribers of the topic share it.

Each subscriber runs its operation on the poll, in a session of its own: `PolledRoom` answers the call of the topic from
the poll, above which the session hides what its caller may not see.
"""

import datetime
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from resolvers.sources.upstream_calls import UpstreamRoom
from resolvers.topics.topic import Resume
from upstream.call import Answer, Call
from upstream.errors import UpstreamError


@dataclass(eq=False)
class Poll:
    """One poll of a topic that has something new: its call, with the answer or the error of the upstream.

    `added` are the ids of the new rows, in their order; None if the topic is a state. `newest` is the place after all
    rows that are known with this poll. `shared` has what subscribers with equal operations share, such as their
    answers.
    """

    call: Call
    read_at: datetime.datetime
    answer: Answer[Any] | None = None
    error: UpstreamError | None = None
    added: Sequence[int] | None = None
    newest: Resume | None = None
    shared: dict[Hashable, Any] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[int, Any]:
        """Return the rows of the answer by their ids."""
        id = self.call.report.id
        found = [] if self.answer is None or id is None else self.answer.read(None)
        return {getattr(row, str(id)): row for row in found}


class PolledRoom:
    """Answers the call of one poll. All other calls go to the upstream room.

    Other reports of the same kind of entity know what the poll shows only if they are read after it.
    """

    def __init__(self, room: UpstreamRoom, poll: Poll) -> None:
        self._room = room
        self._poll = poll

    async def fetch(self, call: Call, **options: Any) -> Answer[Any]:
        """Return the answer of the poll, or that of the upstream room. Raise the `UpstreamError` that prevents it."""
        poll = self._poll
        if call.key != poll.call.key:
            if call.report.entity is not None and call.report.entity is poll.call.report.entity:
                options["not_before"] = max(poll.read_at, options.get("not_before", poll.read_at))
            return await self._room.fetch(call, **options)
        if poll.error is not None:
            raise poll.error.with_traceback(None)
        assert poll.answer is not None
        poll.answer.take(call.columns)
        return poll.answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._room, name)
