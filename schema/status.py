"""The status of a game."""

from enum import Enum

import strawberry

from schema.mapping.errors import BadUserInput
from schema.mapping.values import sound


@strawberry.enum
class GameStatus(Enum):
    """The status of a game."""

    SELLING = strawberry.enum_value(1, description="Its cards are on sale.")
    PLAYING = strawberry.enum_value(2, description="Its balls are being drawn.")
    PLAYED = strawberry.enum_value(3, description="It was played.")
    NOT_PLAYED = strawberry.enum_value(4, description="It was not played, for example because nobody bought a card.")
    CANCELLED = strawberry.enum_value(5, description="It was cancelled and its wagers refunded.")
    PRESELLING = strawberry.enum_value(6, description="Its cards are on sale ahead of time.")
    CANCELLING = strawberry.enum_value(7, description="It is being cancelled.")
    TO_PROCESS_CANCEL = strawberry.enum_value(8, description="Its cancellation waits to be processed.")
    UNKNOWN = strawberry.enum_value(0, description="The report names a status that its document does not have.")


# The reports write a status as a number, or as a text such as "Currently Selling".
_NAMES = {status.name.casefold().replace("_", ""): status for status in GameStatus if status is not GameStatus.UNKNOWN}


def status_of(value: int | str | None) -> GameStatus | None:
    """Return the status that a report's number or text means."""
    value = sound(value)
    if value is None or value == "":
        return None
    if isinstance(value, str) and not value.isdigit():
        letters = "".join(letter for letter in value.casefold() if letter.isalpha())
        return _NAMES.get(letters.removeprefix("currently"), GameStatus.UNKNOWN)
    try:
        return GameStatus(int(value))
    except ValueError:
        return GameStatus.UNKNOWN


def status_number(status: GameStatus | None) -> int | None:
    """Return the number that the bulk report filters by. Raise `BadUserInput` for UNKNOWN."""
    if status is None:
        return None
    if status is GameStatus.UNKNOWN:
        raise BadUserInput("status: UNKNOWN is not a filter; leave it out to get games of every status.")
    number: int = status.value
    return number


# The text that the upstream's document has for each status.
_WORDS = {
    GameStatus.SELLING: "Selling",
    GameStatus.PLAYING: "Playing",
    GameStatus.PLAYED: "Played",
    GameStatus.NOT_PLAYED: "Not played",
    GameStatus.CANCELLED: "Cancelled",
    GameStatus.PRESELLING: "Preselling",
    GameStatus.CANCELLING: "Cancelling",
    GameStatus.TO_PROCESS_CANCEL: "To process cancel",
}


def status_words(value: int | str | None) -> str | None:
    """Return the text of the status that a report's number or text means, or None for an unknown status."""
    status = status_of(value)
    return None if status is None else _WORDS.get(status)
