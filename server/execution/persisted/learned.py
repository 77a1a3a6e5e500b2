"""Learned documents: texts that clients sent together with their SHA-256 (Apollo's automatic persisted queries).

A client then sends the hash alone. Every server learns for itself, up to a number of bytes. With a Redis, all servers
learn together. A text is used only if its hash is the one that was asked for, so nobody can store a false one.
"""

import re
from hashlib import sha256

from engine.bounded_cache import BoundedCache
from upstream.caching.store import Key, Store

MOST = 100_000
# Seconds for which a Redis stores a document.
SHARED_SECONDS = 86_400.0
_HASH = re.compile(r"[0-9a-f]{64}")
# About the bytes of the objects around a text.
_AROUND = 300


class LearnedDocuments:
    """The documents that clients taught, by their hash. Together they have at most `most_bytes` in this process."""

    def __init__(self, most_bytes: int, store: Store | None = None) -> None:
        self._texts: BoundedCache[str, str] = BoundedCache(MOST, most_bytes)
        self._store = store

    async def get(self, hash: str) -> str | None:
        """Return the document of a hash; None if nobody sent it, or if it was dropped."""
        text = self._texts.get(hash)
        if text is not None or self._store is None or not _HASH.fullmatch(hash):
            return text
        (stored,) = await self._store.get_many([_key(hash)])
        if stored is None or sha256(stored).hexdigest() != hash:
            return None
        text = stored.decode()
        self._keep(hash, text)
        return text

    async def learn(self, hash: str, text: str) -> None:
        """Store a document under its hash."""
        if self._texts.get(hash) is not None:
            return
        self._keep(hash, text)
        if self._store is not None:
            await self._store.set_many([(_key(hash), text.encode())], SHARED_SECONDS)

    def _keep(self, hash: str, text: str) -> None:
        self._texts.keep(hash, text, len(text.encode()) + _AROUND)


def _key(hash: str) -> Key:
    return hash, ""
