"""Choose the media type of an answer from the header Accept, and check that a body is JSON in UTF-8."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
HTML = "text/html"

# The streams: Server-Sent Events, the multipart protocol of Apollo for subscriptions, and answers in parts.
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"

# The first type is for clients that accept anything: plain JSON, until clients name the newer type.
ANSWERS = (JSON, RESPONSE_JSON)

# The formats of incremental delivery: each has the name that its part of the media type has. Without a parameter, a
# client is answered in the older format.
DEFER_2022 = "deferSpec=20220824"
INCREMENTAL_0_2 = "incrementalSpec=v0.2"
INCREMENTAL_FORMATS = {
    frozenset[tuple[str, str]](): DEFER_2022,
    frozenset({("deferspec", "20220824")}): DEFER_2022,
    frozenset({("incrementalspec", "v0.2")}): INCREMENTAL_0_2,
}

_UTF8 = ("utf-8", "utf8")
_USUAL = 300  # characters
_MOST_RANGES = 50  # ranges of an Accept header that are read


def answer_type(accept: str | None) -> str | None:
    """Return the media type of the answer; None if the client accepts none of ours."""
    if accept is None or not accept.strip():
        return JSON
    # Clients repeat the same header. Unusually long headers are not cached.
    return _known(accept, ANSWERS) if len(accept) <= _USUAL else _found(accept, ANSWERS)


def preferred(accept: str | None, offers: tuple[str, ...]) -> str | None:
    """Return the offer that a client prefers, the first of equal ones; None if it accepts none."""
    return offers[0] if accept is None or not accept.strip() else _found(accept, offers)


def stream_type(accept: str | None) -> str | None:
    """Return the kind of stream that a client prefers for a subscription; None if it accepts none."""

    def stream(kind: str, parameters: Mapping[str, str]) -> str | None:
        of_apollo = kind == MULTIPART and parameters.get("subscriptionspec") == "1.0"
        return kind if kind == EVENT_STREAM or of_apollo else None

    return _preferred(accept, stream)


def wants_page(accept: str | None, answers: tuple[str, ...] = ANSWERS) -> bool:
    """Return whether a client prefers HTML to our answers, as a browser does."""
    if accept is None or HTML not in accept.lower():
        return False
    return _found(accept, (HTML, *answers)) == HTML


def incremental_format(accept: str | None) -> str | None:
    """Return the format of incremental delivery that a client prefers; None if it accepts none of ours.

    `multipart/mixed` with another parameter than these is something else, such as a subscription.
    """

    def format_of(kind: str, parameters: Mapping[str, str]) -> str | None:
        asked = frozenset((name, value) for name, value in parameters.items() if name not in ("q", "boundary"))
        return INCREMENTAL_FORMATS.get(asked) if kind == MULTIPART else None

    return _preferred(accept, format_of)


def _preferred(accept: str | None, name_of: Callable[[str, Mapping[str, str]], str | None]) -> str | None:
    """Return the name of the range with the highest quality, among the ranges that have a name."""
    best, best_quality = None, 0.0
    for part in accept.split(",", _MOST_RANGES)[:_MOST_RANGES] if accept else ():
        kind, parameters = _split(part)
        name, quality = name_of(kind, parameters), _quality(parameters)
        if name is not None and quality > best_quality:
            best, best_quality = name, quality
    return best


def is_json(content_type: str) -> bool:
    """Return whether a body of this content type is JSON in UTF-8. No other kind is read."""
    if content_type == JSON:
        return True
    kind, parameters = _split(content_type)
    return kind == JSON and parameters.get("charset", "utf-8").lower() in _UTF8


def _found(accept: str, offers: tuple[str, ...]) -> str | None:
    best, best_rank = None, (0.0, 0)
    ranges = list(_ranges(accept))
    for offer in offers:
        # The most specific range that fits an offer decides. If two offers are equal, the earlier one wins.
        fitting = [(specificity, quality) for kind, specificity, quality in ranges if _fits(kind, offer)]
        if not fitting:
            continue
        specificity, quality = max(fitting)
        if quality > 0 and (quality, specificity) > best_rank:
            best, best_rank = offer, (quality, specificity)
    return best


_known = lru_cache(maxsize=256)(_found)


def _ranges(accept: str) -> Iterator[tuple[str, int, float]]:
    for part in accept.split(",", _MOST_RANGES)[:_MOST_RANGES]:
        kind, parameters = _split(part)
        if not kind or parameters.get("charset", "utf-8").lower() not in _UTF8:
            continue
        yield kind, 0 if kind == "*/*" else 1 if kind.endswith("/*") else 2, _quality(parameters)


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0  # as if the range were not there


def _fits(kind: str, offer: str) -> bool:
    return kind in ("*/*", offer) or (kind.endswith("/*") and offer.startswith(kind[:-1]))


def _split(value: str) -> tuple[str, dict[str, str]]:
    kind, *rest = value.split(";")
    parameters = (part.partition("=") for part in rest)
    return kind.strip().lower(), {name.strip().lower(): text.strip().strip('"') for name, _, text in parameters}
