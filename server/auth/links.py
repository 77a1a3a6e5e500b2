"""Signed links: the address of one table. Its holder may read this table, and nothing else, for some time.

A link is the path and query of the table with three more parameters: its end, the id of the key that it reads for,
and an HMAC-SHA256 over all of it. Revoking a key ends its links. The groups of the key restrict its links too.
"""

import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import parse_qsl, quote, unquote, urlencode

EXPIRES, KEY, SIGNATURE = "_expires", "_key", "_signature"
SIGNATURE_BYTES = SIGNATURE.encode()
LONGEST = timedelta(days=7)
LEAST_SECRET = 32

_PATH = re.compile(r"/tables/[^/]+\.[^/]+")
_TYPED = re.compile(r"((?:https?://[^/?#]*)?(?:/[^?#]*?)?)(/tables/.*)")
_OURS = frozenset({EXPIRES, KEY, SIGNATURE})

Pairs = list[tuple[str, str]]


class InvalidLink(Exception):
    """A link that is not valid, or cannot be made. The text says why. `guessed`: its signature is wrong."""

    guessed = False


class WrongSignature(InvalidLink):
    """A link with a wrong signature."""

    guessed = True


def link(secret: str, path: str, query: bytes, key_id: str, lifetime: timedelta, now: datetime) -> str:
    """Return the signed address of a table. Raises InvalidLink."""
    if not _PATH.fullmatch(path):
        raise InvalidLink("only a table has a link: its path is /tables/NAME.csv, or another format of it")
    if not timedelta() < lifetime <= LONGEST:
        raise InvalidLink(f"a link lives for at most {LONGEST.days} days")
    pairs = read(query)
    if any(name in _OURS for name, _ in pairs):
        raise InvalidLink(f"the parameters {EXPIRES}, {KEY} and {SIGNATURE} are the link's own")
    end = str(int((now + lifetime).timestamp()))
    signature = _sign(secret, path, pairs, end, key_id)
    signed = written([*pairs, (EXPIRES, end), (KEY, key_id), (SIGNATURE, signature)])
    return f"{quote(path)}?{signed.decode()}"


def address(text: str) -> tuple[str, str, bytes]:
    """Return the server, the path and the query of an address that a person typed. The server is empty without a host.

    A server behind a proxy may have a path of its own: `https://example.com/graph`.
    """
    rest, _, query = text.partition("#")[0].partition("?")
    found = _TYPED.fullmatch(rest)
    server, path = ("", rest) if found is None else found.groups()
    return server if "://" in server else "", unquote(path), query.encode()


def is_link(query: bytes) -> bool:
    """Return whether a query string has the parameters of a link."""
    return SIGNATURE_BYTES in query and any(name in _OURS for name, _ in read(query))


def check(secret: str, path: str, query: bytes, now: datetime) -> tuple[str, bytes]:
    """Return the id of the key of a link, and the query without the parameters of the link. Raises InvalidLink."""
    pairs = read(query)
    ours = [(name, value) for name, value in pairs if name in _OURS]
    if len(ours) != len(_OURS) or {name for name, _ in ours} != _OURS:
        raise InvalidLink("it is not whole")
    signed = dict(ours)
    rest = [(name, value) for name, value in pairs if name not in _OURS]
    expected = _sign(secret, path, rest, signed[EXPIRES], signed[KEY])
    if not hmac.compare_digest(expected.encode(), signed[SIGNATURE].encode("latin-1")) or not _PATH.fullmatch(path):
        raise WrongSignature("its signature is wrong: any change of it ends it")
    if now >= datetime.fromtimestamp(int(signed[EXPIRES]), UTC):  # signed, so it is a number
        raise InvalidLink("it has expired")
    return signed[KEY], written(rest)


def read(query: bytes) -> Pairs:
    """Return the parameters of a query, with one letter per byte, so that different bytes never become equal."""
    return parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")


def written(pairs: Pairs) -> bytes:
    """Return the query of parameters that `read` returned."""
    return urlencode(pairs, encoding="latin-1").encode()


def _sign(secret: str, path: str, pairs: Pairs, end: str, key_id: str) -> str:
    # Sorted by name alone: the order of two values of one name may matter.
    ordered = sorted(pairs, key=lambda pair: pair[0])
    message = json.dumps(["gamehub-graph link 1", path, ordered, end, key_id])
    return hmac.new(secret.encode(), message.encode(), sha256).hexdigest()
