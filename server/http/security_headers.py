"""The security headers that every answer has for browsers."""

from collections.abc import Collection

# An answer is data. A browser must not treat it as a page, and must not run, frame or embed it. The pages and their
# files have a content security policy of their own.
HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
_ALL = tuple(HEADERS.items())
_NAMES = frozenset(HEADERS)


def secured(given: Collection[tuple[bytes, bytes]], *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with the missing security headers, and with `more` headers."""
    names = dict(given)
    if _NAMES.isdisjoint(names):
        return [*given, *_ALL, *more]
    return [*given, *[item for item in _ALL if item[0] not in names], *more]
