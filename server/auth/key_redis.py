"""The API keys in a Redis, for the servers of several hosts. Commands write them; `shared_keys` follows them.

One hash has all keys, by their ids, and a version that changes with them. Nobody removes a key from it: keys are added
and revoked only. So two states can always be joined, and a revocation in one of them counts.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from resolvers.caller import Caller
from server.auth import key
from server.auth.key import AS_SET, Key, KeyTrouble, Rates
from upstream.redis.connection import RedisConnection, RedisDown

# The number is that of the form of its values: a server reads only the form that it knows.
HASH = b"gamehub-graph:keys:1"
VERSION = b"version"
_KEY = b"key:"
_DIGEST = 2
# Writes the fields if the version is still the one that was read.
_WRITE = """
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return 0 end
for place = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[place], ARGV[place + 1]) end
return 1
"""
_TRIES = 100

T = TypeVar("T")


class KeyRedis:
    """The keys in a Redis, for commands. `connect` opens a connection for each of them."""

    def __init__(self, connect: Callable[[], RedisConnection]) -> None:
        self._connect = connect

    def create(self, caller: Caller, rates: Rates = AS_SET, expires: datetime | None = None) -> tuple[Key, str]:
        """Create a key. Return it with its text, which is stored nowhere. Raises KeyTrouble."""
        made, text = key.new(caller, rates, expires)

        def added(keys: list[Key]) -> list[Key]:
            if any(one.revoked is None and one.caller.name == caller.name for one in keys):
                raise KeyTrouble(f"there is a key named {caller.name}: revoke it first, or choose another name")
            return [made]

        self._run(lambda redis: changed(redis, added))
        return made, text

    def revoke(self, which: str) -> Key:
        """Revoke a key by its name or its id. Raises KeyTrouble."""
        (ended,) = self._run(lambda redis: changed(redis, lambda keys: [key.found(keys, which).ended()]))
        return ended

    def join(self, others: Iterable[Key]) -> list[Key]:
        """Add keys and revocations. Return what changed. Raises KeyTrouble; then nothing is changed."""
        given = list(others)
        return self._run(lambda redis: changed(redis, lambda keys: key.merged(keys, given)))

    def listed(self) -> list[Key]:
        """Return all keys, the oldest first. Raises KeyTrouble."""
        return self._run(read)[1]

    def _run(self, work: Callable[[RedisConnection], Awaitable[T]]) -> T:
        async def run() -> T:
            redis = self._connect()
            try:
                return await work(redis)
            finally:
                await redis.aclose()

        try:
            return asyncio.run(run())
        except (RedisDown, ValueError) as error:
            raise KeyTrouble(f"the keys in the Redis of CACHE_URL cannot be read or written: {error}") from None


async def version_of(redis: RedisConnection) -> bytes:
    """Return the version of the keys; nothing if there are none. Raises RedisDown."""
    return await redis.run(lambda client: client.hget(HASH, VERSION)) or b""


async def read(redis: RedisConnection) -> tuple[bytes, list[Key]]:
    """Return the version and the keys, the oldest first. Raises RedisDown, and ValueError for damaged values."""
    fields: Mapping[bytes, bytes] = await redis.run(lambda client: client.hgetall(HASH))
    keys = [_opened(value) for name, value in fields.items() if name.startswith(_KEY)]
    return fields.get(VERSION, b""), sorted(keys, key=lambda one: (one.created, one.id))


async def changed(redis: RedisConnection, change: Callable[[list[Key]], list[Key]]) -> list[Key]:
    """Write the keys that `change` returns for the current ones, if no other command has written meanwhile.

    Otherwise `change` is called again with the new ones. Return the written keys. Raises RedisDown, and what `change`
    raises.
    """
    for _ in range(_TRIES):
        version, keys = await read(redis)
        written = change(keys)
        if not written and version:
            return []
        fields: list[Any] = [VERSION, secrets.token_hex(8)]
        for one in written:
            fields += [_KEY + one.id.encode(), _closed(one)]
        arguments = (_WRITE, 1, HASH, version, *fields)
        if await redis.run(lambda client, arguments=arguments: client.eval(*arguments)):  # type: ignore[misc]
            return written
    raise KeyTrouble("other commands changed the keys again and again: try once more")


def _closed(one: Key) -> str:
    row = list(one.row)
    row[_DIGEST] = one.digest.hex()
    return json.dumps(row)


def _opened(value: bytes) -> Key:
    """Return the key of a value. Raises ValueError."""
    row = json.loads(value)
    try:
        row[_DIGEST] = bytes.fromhex(row[_DIGEST])
        return Key.of_row(row)
    except (TypeError, IndexError, KeyError):
        raise ValueError("a key in Redis is damaged") from None
