"""The table of settings: one line per setting with its name, default, meaning and allowed values.

Each topic has a module. docs/reference/settings.md, the error lines and the help of the command line
are made from this table. `server.settings.reading` reads the values.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pydantic_settings import SettingsConfigDict

from server.http.guards.host_names import name_of
from server.settings.callers import CallerSettings
from server.settings.requests import RequestSettings
from server.settings.serving import ServingSettings
from server.settings.storage import StorageSettings
from server.settings.upstreams import UpstreamSettings
from server.settings.values import File, listed, setting
from server.sql.config import FlightConfig, SqlConfig
from upstream.transport.proxy import Proxy
from upstream.transport.secure import Secure

if TYPE_CHECKING:
    from upstream.redis.connection import RedisConnection


class Settings(RequestSettings, CallerSettings, ServingSettings, StorageSettings, UpstreamSettings):
    """The table. The name of a field in capitals is the name in the environment and in `.env`. An empty value is none.

    Pydantic lists the fields of the last base class first.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    error_journal: File = setting(
        Path("~/.local/state/gamehub-graph/errors.sqlite"),
        "File that keeps failed upstream calls, for `gamehub-graph errors`.",
        "the path of a file that can be written",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "What is logged, to stderr: `debug`, `info`, `warning` or `error`.", "debug, info, warning or error"
    )
    traces: Literal["auto", "on", "off"] = setting(
        "auto",
        "Send traces to a collector of OpenTelemetry (extra `otel`). `auto`: if `OTEL_EXPORTER_OTLP_ENDPOINT` or "
        "`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. The variables `OTEL_*` of the environment say the rest.",
        "auto, on or off",
    )
    slow_seconds: float = setting(
        5.0,
        "Seconds from which on a request is logged as slow, with the plan of its upstream calls; 0: none is.",
        "a number from 0 to 3600",
        ge=0,
        le=3600,
    )
    log_format: Literal["auto", "console", "json"] = setting(
        "auto", "`console` for people, `json` for programs, `auto`: `console` on a terminal.", "auto, console or json"
    )

    @property
    def business_zone(self) -> ZoneInfo:
        """Return the time zone of the business. Periods are resolved in it."""
        return ZoneInfo(self.business_timezone or self.gamehub_timezone)

    def hosts(self, closed: bool) -> tuple[str, ...] | None:
        """Return the host names that the server answers to beside loopback and its bound address; None: any."""
        if closed and self.allowed_hosts is None:
            return None
        return tuple(name for host in (*listed(self.allowed_hosts), self.host) if (name := name_of(host)))

    def secure(self, name: Literal["gamehub", "gamelog", "jwks", "cache"]) -> Secure:
        """Return how connections to a system, or to the key set, are secured. Raises ValueError for a wrong proxy."""
        return Secure(
            ca_file=getattr(self, f"{name}_ca_file"),
            cert_file=getattr(self, f"{name}_client_cert_file"),
            key_file=getattr(self, f"{name}_client_key_file"),
            minimum=getattr(self, f"{name}_tls_minimum"),
            proxy=proxy_of(self) if getattr(self, f"{name}_proxy", "off") == "environment" else None,
        )

    def redis_connection(self) -> "RedisConnection | None":
        """Return a connection to the Redis of `CACHE_URL`, which the caller closes; None if the cache is none."""
        if not self.cache_in_redis:
            return None
        # Imported only here, because the library takes as long to import as the rest of a start.
        from upstream.redis.connection import RedisConnection

        return RedisConnection(self.cache_address, self.secure("cache"))

    @property
    def sql(self) -> SqlConfig:
        """Return the limits of SQL, and where Flight SQL is served."""
        files = (self.tls_cert_file, self.tls_key_file)
        certificate = (files[0], files[1]) if files[0] is not None and files[1] is not None else None
        port = self.sql_flight_port
        flight = FlightConfig(self.host, port, certificate) if port else None
        return SqlConfig(self.sql_seconds, self.sql_mebibytes, self.sql_statements, self.documents == "saved", flight)

    @property
    def uses_sandbox(self) -> bool:
        """Return whether no upstream is set, so that the sandbox replaces both."""
        return self.gamehub_url is None and self.gamelog_url is None

    @property
    def journal_file(self) -> Path:
        return self.error_journal.expanduser().absolute()  # a default is not validated


# The limits that `/metrics` shows, beside what they limit.
SHOWN_LIMITS = (
    "MAX_OPERATIONS",
    "MAX_WAITING_OPERATIONS",
    "MAX_CONNECTIONS",
    "MAX_SUBSCRIPTIONS",
    "MAX_TOPICS",
    "REQUEST_TIMEOUT",
    "SLOW_SECONDS",
    "CACHE_MEBIBYTES",
    "ANSWER_CACHE_MEBIBYTES",
    "TABLES_SPOOL_MEBIBYTES",
    "SQL_STATEMENTS",
    "GAMEHUB_CONCURRENCY",
    "GAMELOG_CONCURRENCY",
    "GAMEHUB_CALLS_PER_MINUTE",
    "GAMELOG_CALLS_PER_MINUTE",
)
NAMES = {name.upper(): name for name in Settings.model_fields}


def proxy_of(settings: Settings) -> Proxy | None:
    """Return the proxy of the environment. Raises ValueError for a wrong address."""
    address = settings.https_proxy.get_secret_value() if settings.https_proxy is not None else ""
    return Proxy.of(address, settings.no_proxy or "") if address else None
