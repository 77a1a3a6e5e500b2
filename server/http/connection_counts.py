"""Count the connections of clients: how many are open, and why the server closed others."""

from collections import defaultdict
from collections.abc import Collection

from upstream.durations import Durations

# Why the server closed a connection.
NO_PLACE = "no_place"  # all places were taken: refused with 503
MADE_ROOM = "made_room"  # it waited longest without a request, and another connection needed its place
NO_REQUEST = "no_request"  # its request was not complete in time: 408
IDLE = "idle"  # no request came after the last answer
NOT_READ = "not_read"  # the client did not read its answer, or not fast enough
NOT_HTTP = "not_http"  # what it sent is not HTTP, or has too large a head: 400, 414, 431
REASONS = (NO_PLACE, MADE_ROOM, NO_REQUEST, IDLE, NOT_READ, NOT_HTTP)


class ConnectionCounts:
    """The connections of one server: the open ones, their limit, and those that it closed, by reason.

    `late` are the durations by which its timer, which runs several times a second while connections are open, came too
    late: so long was the event loop busy with something else.
    """

    def __init__(self) -> None:
        self.open: Collection[object] = ()
        self.most = 0
        self.closed: defaultdict[str, int] = defaultdict(int)
        self.late = Durations()
