"""The settings of what the server stores: cached days and the files of tables."""

from functools import cached_property

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from server.settings.files import read_cache_url
from server.settings.values import (
    CA_HELP,
    CACHE_ADDRESS,
    CERT_HELP,
    FILE_TEXT,
    KEY_HELP,
    MEBIBYTES,
    MINIMUM_HELP,
    PEM,
    STORE_ADDRESS,
    TRUSTED,
    VERSION,
    CacheUrl,
    File,
    Store,
    setting,
)
from upstream.caching.trust import Trust
from upstream.transport.secure import Version


class StorageSettings(BaseSettings):
    """The settings of what the server stores: cached days and the files of tables."""

    cache_url: CacheUrl = setting(
        SecretStr("memory://"),
        "Where days are cached: `memory://`, `off`, or a Redis or Valkey, which servers share: `redis://host:port/db`, "
        "`rediss://` with TLS, `unix://`, `redis+sentinel://host:port,host:port/master/db`, "
        "`redis+cluster://host:port,host:port`.",
        CACHE_ADDRESS,
    )
    cache_url_file: File | None = setting(
        None,
        "File that holds that address, instead of `CACHE_URL`: it may hold a password. Read at the start.",
        FILE_TEXT,
    )
    cache_ca_file: File | None = setting(None, CA_HELP.format("a Redis with TLS"), PEM)
    cache_client_cert_file: File | None = setting(None, CERT_HELP.format("the Redis", "CACHE"), PEM)
    cache_client_key_file: File | None = setting(None, KEY_HELP, PEM)
    cache_tls_minimum: Version = setting("1.2", MINIMUM_HELP.format("the Redis"), VERSION)
    cache_mebibytes: int = setting(
        128,
        "The size limit of the days in memory (`memory://`, or while a Redis does not answer), in MiB.",
        MEBIBYTES,
        ge=1,
        le=1_000_000,
    )
    answer_cache_mebibytes: int = setting(
        32, "The size limit of the answers that are stored and used again, in MiB; 0 stores none.",
        "a whole number from 0", ge=0, le=1_000_000,
    )  # fmt: skip
    cache_open_seconds: float = setting(
        5.0, "Seconds for which rows of today, and rows without a day, are trusted; 0 keeps neither.",
        "a number from 0", ge=0, le=86400,
    )  # fmt: skip
    cache_yesterday_seconds: float = setting(
        300.0, "Seconds for which a day that ended at most a day ago is trusted before it is checked.", TRUSTED,
        ge=0, le=86400,
    )  # fmt: skip
    cache_week_seconds: float = setting(
        3600.0, "The same for a day that ended at most a week ago.", TRUSTED, ge=0, le=86400
    )
    cache_month_seconds: float = setting(
        86400.0, "The same for a day that ended at most 31 days ago.", "a number from 0", ge=0, le=31 * 86400
    )
    cache_closed_days: float = setting(
        30.0, "Days for which an older day is trusted before it is checked.", "a number above 0", gt=0, le=3650
    )
    cache_empty_seconds: float = setting(
        120.0, "The longest time, in seconds, for which a closed day without rows is trusted.", TRUSTED,
        ge=0, le=86400,
    )  # fmt: skip
    tables_spool_dir: File | None = setting(
        None,
        "Folder that keeps the files of tables (Parquet, CSV, Excel). Servers may share one. Default: a temporary one, "
        "gone with the server.",
        "the path of a folder that can be written",
    )
    tables_spool_mebibytes: int = setting(
        1024, "The size limit of that folder, in MiB; the least recently used files are removed.", MEBIBYTES, ge=1
    )
    tables_store: Store | None = setting(
        None,
        "Object store through which servers on several hosts share these files. Each still has its own folder. "
        "Credentials come from the environment of the store, such as `AWS_ACCESS_KEY_ID`.",
        STORE_ADDRESS,
    )
    tables_store_mebibytes: int = setting(
        10_240, "The size limit of that store, in MiB; the oldest files are removed.", MEBIBYTES, ge=1
    )
    tables_open_seconds: float = setting(
        60.0, "The least time, in seconds, for which a table's file with rows of today, or without a day, is served.",
        "a number from 0", ge=0, le=86400,
    )  # fmt: skip

    @cached_property
    def cache_address(self) -> str:
        """Return the address of the cache from `CACHE_URL` or its file. It is read once. Raises ValueError."""
        path = self.cache_url_file
        return self.cache_url.get_secret_value() if path is None else read_cache_url(path)

    @property
    def cache_in_redis(self) -> bool:
        """Return whether the cache is a Redis."""
        return self.cache_address not in ("off", "memory://")

    @property
    def trust(self) -> Trust:
        """Return how long cached rows are trusted."""
        return Trust(
            self.cache_open_seconds,
            self.cache_yesterday_seconds,
            self.cache_week_seconds,
            self.cache_month_seconds,
            self.cache_closed_days * 86_400,
            self.cache_empty_seconds,
        )
