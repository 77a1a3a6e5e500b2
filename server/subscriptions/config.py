"""The limits of subscriptions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubscriptionConfig:
    """The limits of subscriptions. Some are settings with the same defaults.

    `waiting` are the rows that may wait for a slow client. `events` is the number of answers that are made at the same
    time. `init_seconds` is the time in which a client must introduce itself on a WebSocket.
    """

    most: int = 2000
    most_of_caller: int = 1000
    most_topics: int = 100
    waiting: int = 1000
    events: int = 8
    init_seconds: float = 10.0
    beat_seconds: float = 10.0
