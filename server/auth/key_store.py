"""The place where commands read and write the API keys: a file, or a Redis that the servers of several hosts share."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from resolvers.caller import Caller
from server.auth.key import AS_SET, Key, Rates
from server.auth.key_file import KeyFile
from server.settings.consistency import store_lines
from server.settings.reading import WrongSettings, load_part
from server.settings.settings import Settings

if TYPE_CHECKING:
    from upstream.redis.connection import RedisConnection

_OF_FILE = ("keys_store", "keys_file")
_OF_REDIS = (
    "cache_url",
    "cache_url_file",
    "cache_ca_file",
    "cache_client_cert_file",
    "cache_client_key_file",
    "cache_tls_minimum",
)


class KeyStore(Protocol):
    """The stored keys. Every method raises KeyTrouble, which says why it failed."""

    def create(self, caller: Caller, rates: Rates = AS_SET, expires: datetime | None = None) -> tuple[Key, str]:
        """Create a key. Return it with its text, which is stored nowhere."""
        ...

    def revoke(self, which: str) -> Key:
        """Revoke a key by its name or its id."""
        ...

    def join(self, others: Iterable[Key]) -> list[Key]:
        """Add keys and revocations. Return what changed."""
        ...

    def listed(self) -> list[Key]:
        """Return all keys, the oldest first."""
        ...


def load_for_keys() -> Settings:
    """Return the settings that say where the keys are. Others may be missing or wrong. Raises WrongSettings."""
    settings = load_part(*_OF_FILE)
    if settings.keys_store == "redis":
        settings = load_part(*_OF_FILE, *_OF_REDIS)
        if lines := store_lines(settings):
            raise WrongSettings(lines)
    return settings


def store_of(settings: Settings) -> KeyStore:
    """Return the store of the settings."""
    if settings.keys_store == "file":
        return KeyFile(settings.keys_path)
    from server.auth.key_redis import KeyRedis  # the client of Redis is imported where it is used

    def connect() -> "RedisConnection":
        redis = settings.redis_connection()
        assert redis is not None  # the settings were checked
        return redis

    return KeyRedis(connect)
