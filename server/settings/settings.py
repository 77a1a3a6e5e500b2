"""The settings: one table of names, defaults and help, read from the environment and from `.env`.

The model below is the table: docs/reference/settings.md, the error lines and the command line's help are made from it.
Addresses and tokens change at any moment (C3), so `LiveSettings` reads them again whenever a file they stand in has
changed.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import Enum
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import dotenv
import orjson
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from resolvers.join import MovementJoin
from server.execution.limits import ClientTimeouts, Limits
from server.http.guards.host_names import is_loopback, name_of
from upstream.caching.trust import Trust
from upstream.resilience.hedge import Hedge
from upstream.transport.proxy import Proxy
from upstream.transport.secure import Secure, Version, check_identity, issuers_in
from upstream.transport.watched import Watched

ENV_FILE = Path(".env")

T = TypeVar("T")


class WrongSettings(ValueError):
    """Settings that cannot be used: one line for each, which says what is wrong and what is allowed, and no secret."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class UserCodeFrom(Enum):
    """Which part of a GameHub user is the user's code in Game History (C22)."""

    USERNAME = "username"
    EXTERNAL_USER_ID = "external_user_id"
    ID = "id"


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https"):
        raise ValueError("has no http:// or https:// in front")
    if not parts.hostname:
        raise ValueError("names no host")
    # An @ behind the host may end a password that holds a slash: then the host is a part of the password.
    if "@" in value:
        raise ValueError("holds a user name or password, which would end up in logs")
    if parts.query or parts.fragment:
        raise ValueError("holds a ? or a #: the reports add their own parameters")
    if parts.port == 0:  # reading the port also refuses one that is no number
        raise ValueError("names port 0")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except Exception:  # whatever a file system makes of a strange name, it is not a time zone
        raise ValueError(f"is {value!r}, which is no time zone") from None
    return value


def _cache_url(value: SecretStr) -> SecretStr:
    # The address itself may hold a password, so it is not repeated.
    address = value.get_secret_value()
    if address in ("off", "memory://"):
        return value
    if not address.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("is none of these")
    from upstream.caching import redis_address  # only here: the library takes as long to import as the rest of a start

    redis_address.check(address)
    return value


def _claim(value: str) -> str:
    if not value.isprintable() or value != value.strip() or not value:
        raise ValueError("is no name of a claim")
    return value


def _origins(value: str) -> str:
    if "@" in value:
        raise ValueError("holds an @, which no origin has")
    for origin in value.split(","):
        parts = urlsplit(origin.strip())
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or f"{parts.scheme}://{parts.netloc}" != (origin.strip())
        ):
            raise ValueError(f"holds {origin.strip()[:100]!r}, which is no origin")
    return value


def _hosts(value: str) -> str:
    if "@" in value:
        raise ValueError("holds an @, which no name of a host has")
    for host in _listed(value):
        if name_of(host) != host.strip("[]").rstrip(".").lower():
            raise ValueError(f"holds {host[:100]!r}, which is no name of a host without a port")
    return value


def _headers(value: str) -> str:
    for name in _listed(value):
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name, re.ASCII) or name == "*":
            raise ValueError(f"holds {name[:100]!r}, which is no name of a header")
    return value


def _listed(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def _printable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds a space, a line break or a sign that no token has")
    return value


def _hedge(value: str) -> str:
    try:
        Hedge(value)
    except ValueError:
        raise ValueError("is neither") from None
    return value


Address = Annotated[str, AfterValidator(_address)]
HedgeAfter = Annotated[str, AfterValidator(_hedge)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Token = Annotated[SecretStr, AfterValidator(_printable)]
Claim = Annotated[str, AfterValidator(_claim)]
CacheUrl = Annotated[SecretStr, AfterValidator(_cache_url)]
Origins = Annotated[str, AfterValidator(_origins)]
HostNames = Annotated[str, AfterValidator(_hosts)]
HeaderNames = Annotated[str, AfterValidator(_headers)]
File = Annotated[Path, AfterValidator(Path.expanduser)]


def setting(default: T, help: str, allowed: str, **limits: Any) -> T:
    """A line of the table: the default, what it is for, and what a value may be."""
    return cast(T, Field(default, description=help, json_schema_extra={"allowed": allowed}, **limits))


_ADDRESS = "an address such as https://bingo.example.com/api"
_ZONE = "an IANA name such as Europe/Madrid"
_TOKEN = "the token alone, as the vendor issued it"
_FILE = "the path of a readable file"
_SECONDS = "seconds, more than 0 and at most 3600"
_CACHE = "memory://, redis://host:port/db or off"
_MEBIBYTES = "a whole number from 1"
_PARALLEL = "a whole number from 1 to 1000"
_CLAIM = "the name of a claim"
_RATE = "a whole number from 0 to 1000000"
_SIGNING = "at least 32 letters and digits, made by chance"
LEAST_SIGNING_SECRET = 32
_PEM = "the path of a readable file in PEM"
_VERSION = "1.2 or 1.3"
_PROXY = "off or environment"
_PROXY_ADDRESS = "http://host:port or http://user:password@host:port"
_CA_HELP = "File with certificates of issuers to trust for {}, in addition to the system's. Read again when it changes."
_CERT_HELP = "File with the client certificate that {} asks for, and its chain. Goes with `{}_CLIENT_KEY_FILE`."
_KEY_HELP = "File with the key of that certificate, without a password. Both are read again when they change."
_MINIMUM_HELP = "The oldest TLS version that is spoken with {}: `1.2` or `1.3`."
_PROXY_HELP = "`environment`: {} is reached through the proxy of `HTTPS_PROXY`, unless `NO_PROXY` names its host."
_COUNT = "a whole number from 1"
_BOUND = "a whole number from 0"
_VENDOR = "a whole number from 0 to 100000"
_TRUSTED = "seconds from 0 to 86400"


class Settings(BaseSettings):
    """The table. A name here, in capitals, is the name in the environment and in `.env`; an empty value is none."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    gamehub_url: Address | None = setting(
        None, "Base address of GameHub's reports. Neither this nor `GAMELOG_URL` set: the sandbox stands in.", _ADDRESS
    )
    gamehub_token: Token | None = setting(None, "GameHub's API token.", _TOKEN)
    gamehub_token_file: File | None = setting(
        None, "File that holds GameHub's API token, instead of `GAMEHUB_TOKEN`. Read again when it changes.", _FILE
    )
    gamehub_timezone: TimeZone = setting("UTC", "Time zone in which GameHub writes dates and times.", _ZONE)
    gamehub_timeout: float = setting(
        30.0, "Seconds that one GameHub report may take, retries included.", _SECONDS, gt=0, le=3600
    )
    gamehub_concurrency: int = setting(16, "GameHub calls under way at the same time.", _PARALLEL, ge=1, le=1000)
    gamehub_calls_per_minute: int = setting(
        0,
        "Requests that GameHub may be sent in any minute, retries included; the others wait, and those that cannot be "
        "sent before their deadline fail with `OVERLOADED`. 0 is no limit. Each server counts its own.",
        _VENDOR,
        ge=0,
        le=100_000,
    )
    gamehub_ca_file: File | None = setting(None, _CA_HELP.format("GameHub"), _PEM)
    gamehub_client_cert_file: File | None = setting(None, _CERT_HELP.format("GameHub", "GAMEHUB"), _PEM)
    gamehub_client_key_file: File | None = setting(None, _KEY_HELP, _PEM)
    gamehub_tls_minimum: Version = setting("1.2", _MINIMUM_HELP.format("GameHub"), _VERSION)
    gamehub_proxy: Literal["off", "environment"] = setting("off", _PROXY_HELP.format("GameHub"), _PROXY)
    gamelog_url: Address | None = setting(None, "Address of Game History.", _ADDRESS)
    gamelog_agent_code: str | None = setting(None, "Code of the agent at Game History.", "a text")
    gamelog_agent_token: Token | None = setting(None, "Token of that agent.", _TOKEN)
    gamelog_agent_token_file: File | None = setting(
        None, "File that holds the agent's token, instead of `GAMELOG_AGENT_TOKEN`. Read again when it changes.", _FILE
    )
    gamelog_agents_file: File | None = setting(
        None,
        "JSON file of the groups that have an agent of their own: "
        '`{"382": {"agent_code": "…", "agent_token": "…"}}`. Read again when it changes.',
        _FILE,
    )
    gamelog_timezone: TimeZone = setting("UTC", "Time zone in which Game History reads `start` and `end`.", _ZONE)
    gamelog_timeout: float = setting(
        60.0, "Seconds that one game log may take, all its pages included.", _SECONDS, gt=0, le=3600
    )
    gamelog_concurrency: int = setting(8, "Game History calls under way at the same time.", _PARALLEL, ge=1, le=1000)
    gamelog_calls_per_minute: int = setting(
        0,
        "Requests that Game History may be sent in any minute, as `GAMEHUB_CALLS_PER_MINUTE` for GameHub. Each page of "
        "a log is a request.",
        _VENDOR,
        ge=0,
        le=100_000,
    )
    gamelog_ca_file: File | None = setting(None, _CA_HELP.format("Game History"), _PEM)
    gamelog_client_cert_file: File | None = setting(None, _CERT_HELP.format("Game History", "GAMELOG"), _PEM)
    gamelog_client_key_file: File | None = setting(None, _KEY_HELP, _PEM)
    gamelog_tls_minimum: Version = setting("1.2", _MINIMUM_HELP.format("Game History"), _VERSION)
    gamelog_proxy: Literal["off", "environment"] = setting("off", _PROXY_HELP.format("Game History"), _PROXY)
    https_proxy: SecretStr | None = setting(
        None,
        "Proxy for https addresses, `http://user:password@host:port`. Used where a setting ending in `_PROXY` says so.",
        _PROXY_ADDRESS,
    )
    no_proxy: str | None = setting(
        None,
        "Hosts, with commas between, that are reached without it: names (with all names below them), addresses, "
        "networks such as `10.0.0.0/8`, `*` for all.",
        "names, addresses and networks",
    )
    max_upstream_mebibytes: int = setting(
        256, "The longest answer of an upstream that is read, in MiB once unpacked.", _MEBIBYTES, ge=1, le=4096
    )
    max_waiting_calls: int = setting(
        1000,
        "Calls that may wait for a free slot of one upstream; the next one fails with `OVERLOADED`.",
        "a whole number from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    breaker_failures: int = setting(
        5,
        "Failures in a row of one report after which it is left alone for a while; 0: it never is.",
        "a whole number from 0 to 1000",
        ge=0,
        le=1000,
    )
    breaker_seconds: float = setting(
        5.0, "Seconds for which it is left alone at first, before it is tried again.", _SECONDS, gt=0, le=3600
    )
    hedge_after: HedgeAfter | None = setting(
        None,
        "Ask a second time for what is late, and take the first answer: after so many seconds (`0.5`), or later than "
        "most answers of the same report (`p95`). Not set: never.",
        "seconds above 0, or a share such as p95",
    )
    user_code_from: UserCodeFrom = setting(
        UserCodeFrom.USERNAME,
        "Which part of a GameHub user is the `user_code` at Game History: `username`, `external_user_id` or `id`.",
        "username, external_user_id or id",
    )
    movement_join: MovementJoin = setting(
        MovementJoin.VERIFY,
        "Whether the movements of a group (R5) may stand in for those of its users (R7): `verify` compares a sample "
        "once a day, `trust` is your word that users never leave their group, `never` always reads R7.",
        "verify, trust or never",
    )
    cache_url: CacheUrl = setting(
        SecretStr("memory://"), "Where days are kept: `memory://`, `redis://host:port/db`, or `off`.", _CACHE
    )
    cache_url_file: File | None = setting(
        None, "File that holds that address, instead of `CACHE_URL`: it may hold a password. Read at the start.", _FILE
    )
    cache_mebibytes: int = setting(128, "How much `memory://` keeps, in MiB.", _MEBIBYTES, ge=1, le=1_000_000)
    cache_open_seconds: float = setting(
        5.0, "Seconds for which rows of today, and rows without a day, are trusted; 0 keeps neither.",
        "a number from 0", ge=0, le=86400,
    )  # fmt: skip
    cache_yesterday_seconds: float = setting(
        300.0, "Seconds for which a day that ended at most a day ago is trusted before it is checked.", _TRUSTED,
        ge=0, le=86400,
    )  # fmt: skip
    cache_week_seconds: float = setting(
        3600.0, "The same for a day that ended at most a week ago.", _TRUSTED, ge=0, le=86400
    )
    cache_month_seconds: float = setting(
        86400.0, "The same for a day that ended at most 31 days ago.", "a number from 0", ge=0, le=31 * 86400
    )
    cache_closed_days: float = setting(
        30.0, "Days for which an older day is trusted before it is checked.", "a number above 0", gt=0, le=3650
    )
    cache_empty_seconds: float = setting(
        120.0, "The longest time, in seconds, for which a closed day without rows is trusted.", _TRUSTED,
        ge=0, le=86400,
    )  # fmt: skip
    tables_spool_dir: File | None = setting(
        None,
        "Folder that keeps the files of tables (Parquet, CSV, Excel). Default: a temporary one, gone with the server.",
        "the path of a folder that can be written",
    )
    tables_spool_mebibytes: int = setting(
        1024, "How much that folder keeps, in MiB; what was not read for the longest time goes.", _MEBIBYTES, ge=1
    )
    tables_open_seconds: float = setting(
        60.0, "The least time, in seconds, for which a table's file with rows of today, or without a day, is served.",
        "a number from 0", ge=0, le=86400,
    )  # fmt: skip
    business_timezone: TimeZone | None = setting(
        None, "Time zone in which days begin and end (`TODAY`, `dates`). Default: `GAMEHUB_TIMEZONE`.", _ZONE
    )
    engine: Literal["compiled", "graphql"] = setting(
        "compiled",
        "What runs queries: compiled code, or graphql-core alone, which gives the same answers slower.",
        "compiled or graphql",
    )
    host: str = setting("127.0.0.1", "Address to listen on; `0.0.0.0` is every network of this machine.", "an address")
    port: int = setting(
        8000, "Port to listen on; 0 takes a free one.", "a whole number from 0 to 65535", ge=0, le=65535
    )
    tls_cert_file: File | None = setting(
        None,
        "File with the server's certificate and its chain: it then speaks https. Goes with `TLS_KEY_FILE`.",
        _PEM,
    )
    tls_key_file: File | None = setting(None, _KEY_HELP, _PEM)
    reconcile_every: float = setting(
        0.0,
        "Hours from one comparison of the reports inside the server to the next, as `gamehub-graph reconcile` makes "
        "it; 0: none. Set it for one server only.",
        "hours from 0 to 8760",
        ge=0,
        le=8760,
    )
    reconcile_days: int = setting(
        2, "Days that each of these compares: the last that are over.", "a whole number from 1 to 366", ge=1, le=366
    )
    auth: Literal["required", "open"] | None = setting(
        None,
        "Whether callers have to say who they are: `required`, or `open`, where whoever shows no credential may do "
        "everything. Default: `open` on a loopback address, `required` on any other.",
        "required or open",
    )
    allow_open: Literal["yes", "no"] = setting(
        "no", "`yes`, as well as `AUTH=open`, serves everybody on an address that is not loopback.", "yes or no"
    )
    allow_plain_http: Literal["yes", "no"] = setting(
        "no",
        "`yes` sends tokens and reads the JWKS over `http://` also beyond loopback, where anybody "
        "on the way can read and change what is sent. For networks that encrypt by themselves.",
        "yes or no",
    )
    keys_file: File = setting(
        Path("~/.local/state/gamehub-graph/keys.sqlite"),
        "File that keeps the API keys, by their hashes, for `gamehub-graph keys`.",
        "the path of a file that can be written",
    )
    jwt_jwks_url: Address | None = setting(
        None, "Address of the key set (JWKS) of whoever issues tokens (JWT). Not set: tokens let nobody in.", _ADDRESS
    )
    jwt_issuer: str | None = setting(None, "Issuer (`iss`) that tokens must name.", "a text")
    jwt_audience: str | None = setting(None, "Audience (`aud`) that tokens must name.", "a text")
    jwt_leeway: float = setting(
        30.0, "Seconds by which the clocks of issuer and server may differ.", "seconds from 0 to 300", ge=0, le=300
    )
    jwt_groups_claim: Claim = setting(
        "groups", 'Claim that lists the ids of the groups a token\'s bearer may see, or is `"*"`: all.', _CLAIM
    )
    jwt_powers_claim: Claim = setting(
        "powers", "Claim that lists what a token's bearer may do: `explore`, `tables`, `admin`.", _CLAIM
    )
    jwks_ca_file: File | None = setting(None, _CA_HELP.format("the key set (JWKS)"), _PEM)
    jwks_client_cert_file: File | None = setting(None, _CERT_HELP.format("the key set (JWKS)", "JWKS"), _PEM)
    jwks_client_key_file: File | None = setting(None, _KEY_HELP, _PEM)
    jwks_tls_minimum: Version = setting("1.2", _MINIMUM_HELP.format("the key set (JWKS)"), _VERSION)
    jwks_proxy: Literal["off", "environment"] = setting("off", _PROXY_HELP.format("the key set (JWKS)"), _PROXY)
    signing_secret: Token | None = setting(
        None, "Secret that signs links to tables, of 32 characters or more. Not set: links let nobody in.", _SIGNING
    )
    signing_secret_file: File | None = setting(
        None, "File that holds it, instead of `SIGNING_SECRET`. Read again when it changes.", _FILE
    )
    rate_requests: int = setting(
        0, "Requests that a caller may make in a minute; 0 is no limit. A key may have its own.", _RATE, ge=0, le=10**6
    )
    rate_calls: int = setting(
        0,
        "Upstream calls that a caller may cause in a minute; 0 is no limit. A key may have its own.",
        _RATE,
        ge=0,
        le=10**6,
    )
    rate_store: Literal["memory", "redis"] = setting(
        "memory", "Where they are counted: `memory`, each server its own, or `redis`, that of `CACHE_URL`.",
        "memory or redis",
    )  # fmt: skip
    max_body_bytes: int = setting(1024 * 1024, "Bytes that a request's body may have.", _COUNT, ge=1)
    max_tokens: int = setting(1000, "Tokens (names, values, signs) that a document may have.", _COUNT, ge=1)
    max_depth: int = setting(20, "Levels of fields in an operation. Introspection has its own.", _COUNT, ge=1)
    max_fields: int = setting(1000, "Fields of an operation, its fragments written out.", _COUNT, ge=1)
    max_root_fields: int = setting(50, "Fields at the root of an operation.", _COUNT, ge=1)
    max_aliases: int = setting(100, "Aliases in an operation, its fragments written out.", _COUNT, ge=1)
    max_directives: int = setting(100, "Directives in an operation, its fragments written out.", _COUNT, ge=1)
    max_fragment_spreads: int = setting(500, "Fragment spreads in an operation, written out.", _COUNT, ge=1)
    max_nodes: int = setting(
        200_000, "Nodes (objects in lists) that an answer may have, counted before they are built.", _COUNT, ge=1
    )
    max_answer_mebibytes: int = setting(
        64, "How long an answer may be, in MiB, as it is written.", _MEBIBYTES, ge=1, le=4096
    )
    max_calls: int = setting(
        0,
        "Upstream calls that an operation may be planned to make, as `X-Graph-Max-Calls` has it for one request; 0 is "
        "no bound, and no operation has to be planned beforehand.",
        _BOUND,
        ge=0,
    )
    max_rows: int = setting(0, "Upstream rows that an operation may be planned to read; 0 is no bound.", _BOUND, ge=0)
    request_timeout: float = setting(
        100.0, "Seconds that an operation may take before it is ended with DEADLINE_EXCEEDED.", _SECONDS, gt=0, le=3600
    )
    introspection: Literal["on", "off"] = setting(
        "on",
        "`off`: nobody is told the schema, neither by introspection nor `_service` nor suggestions, nor by "
        "`/tables/NAME/schema` and `$metadata`.",
        "on or off",
    )
    documents: Literal["any", "saved"] = setting(
        "any", "`saved`: only the saved queries and those of `DOCUMENTS_FOLDER` run.", "any or saved"
    )
    documents_folder: File | None = setting(
        None, "Folder of registered documents: `.graphql` files, and `.json` lists of documents by id.", "a folder"
    )
    cors_origins: Origins | None = setting(
        None,
        "Origins, with commas between, whose pages may ask: `https://bi.example.com`.",
        "origins such as https://bi.example.com",
    )
    cors_headers: HeaderNames | None = setting(
        None,
        "Headers, with commas between, that those pages may send beside the usual ones: `x-team`.",
        "names of headers",
    )
    allowed_hosts: HostNames | None = setting(
        None,
        "Names, with commas between, that the server answers to (`Host`) beside loopback and its bound address: "
        "`graph.example.com`. Default: none while no credential is needed, any with `AUTH=required`.",
        "names of hosts such as graph.example.com",
    )
    client_timeout: float = setting(
        10.0, "Seconds in which a request must be complete; as long may a connection be idle.", _SECONDS, gt=0, le=3600
    )
    max_connections: int = setting(
        2000,
        "Clients' connections; beyond it the one that has waited longest without a request is closed.",
        _COUNT,
        ge=1,
    )
    max_operations: int = setting(
        200, "Operations that run at the same time.", "a whole number from 1 to 100000", ge=1, le=100_000
    )
    max_waiting_operations: int = setting(
        800,
        "Operations that may wait for their turn; the next one is answered 503 with `Retry-After`.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100_000,
    )
    drain_seconds: float = setting(
        0.0,
        "Seconds for which a server that was told to stop goes on serving while `/readyz` says 503, so that load "
        "balancers notice.",
        "a number from 0 to 3600",
        ge=0,
        le=3600,
    )
    stop_seconds: float = setting(30.0, "Seconds that operations under way then have to end.", _SECONDS, gt=0, le=3600)
    error_journal: File = setting(
        Path("~/.local/state/gamehub-graph/errors.sqlite"),
        "File that keeps failed upstream calls, for `gamehub-graph errors`.",
        "the path of a file that can be written",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "What is logged, to stderr: `debug`, `info`, `warning` or `error`.", "debug, info, warning or error"
    )
    log_format: Literal["auto", "console", "json"] = setting(
        "auto", "`console` for people, `json` for programs, `auto`: `console` on a terminal.", "auto, console or json"
    )

    @cached_property
    def cache_address(self) -> str:
        """The address of the cache, as `CACHE_URL` or its file has it; read once. Raises ValueError."""
        path = self.cache_url_file
        return self.cache_url.get_secret_value() if path is None else read_cache_url(path)

    @property
    def cache_in_redis(self) -> bool:
        """Whether the cache is a Redis."""
        return self.cache_address not in ("off", "memory://")

    @property
    def business_zone(self) -> ZoneInfo:
        """The time zone of the business, in which periods are resolved."""
        return ZoneInfo(self.business_timezone or self.gamehub_timezone)

    @property
    def trust(self) -> Trust:
        """Return how long kept rows are trusted."""
        return Trust(
            self.cache_open_seconds,
            self.cache_yesterday_seconds,
            self.cache_week_seconds,
            self.cache_month_seconds,
            self.cache_closed_days * 86_400,
            self.cache_empty_seconds,
        )

    @property
    def limits(self) -> Limits:
        """What a request may cost."""
        return Limits(
            body_bytes=self.max_body_bytes,
            seconds=self.request_timeout,
            tokens=self.max_tokens,
            depth=self.max_depth,
            fields=self.max_fields,
            root_fields=self.max_root_fields,
            aliases=self.max_aliases,
            directives=self.max_directives,
            spreads=self.max_fragment_spreads,
            nodes=self.max_nodes,
            answer_bytes=self.max_answer_mebibytes << 20,
            calls=self.max_calls,
            rows=self.max_rows,
            introspection=self.introspection == "on",
        )

    @property
    def patience(self) -> ClientTimeouts:
        """How long a client may take to ask."""
        return ClientTimeouts(self.client_timeout, self.client_timeout, connections=self.max_connections)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins whose pages may ask."""
        return tuple(origin.strip().lower() for origin in (self.cors_origins or "").split(",") if origin.strip())

    @property
    def origin_headers(self) -> tuple[str, ...]:
        """The headers that pages of these origins may send beside the usual ones."""
        return tuple(_listed(self.cors_headers))

    def hosts(self, closed: bool) -> tuple[str, ...] | None:
        """The names that the server answers to beside loopback and its bound address; None: any name."""
        if closed and self.allowed_hosts is None:
            return None
        return tuple(name for host in (*_listed(self.allowed_hosts), self.host) if (name := name_of(host)))

    def secure(self, name: Literal["gamehub", "gamelog", "jwks"]) -> Secure:
        """Return how connections to a system, or to the key set, are secured. Raises ValueError for a wrong proxy."""
        return Secure(
            ca_file=getattr(self, f"{name}_ca_file"),
            cert_file=getattr(self, f"{name}_client_cert_file"),
            key_file=getattr(self, f"{name}_client_key_file"),
            minimum=getattr(self, f"{name}_tls_minimum"),
            proxy=_proxy(self) if getattr(self, f"{name}_proxy") == "environment" else None,
        )

    @property
    def uses_sandbox(self) -> bool:
        """Whether no upstream is set, so that the sandbox stands in."""
        return self.gamehub_url is None and self.gamelog_url is None

    @property
    def journal_file(self) -> Path:
        return self.error_journal.expanduser().absolute()  # a default is not validated

    @property
    def keys_path(self) -> Path:
        return self.keys_file.expanduser().absolute()


NAMES = {name.upper(): name for name in Settings.model_fields}


def load(env_file: Path = ENV_FILE) -> Settings:
    """The settings as they stand, whole and consistent; or WrongSettings."""
    lines = _misspelt(env_file)
    try:
        settings = Settings(_env_file=env_file)  # type: ignore[call-arg]  # pydantic-settings' own argument
    except ValidationError as error:
        raise WrongSettings(lines + [_line(problem) for problem in error.errors(include_url=False)]) from None
    except UnicodeDecodeError:
        raise WrongSettings([f"{env_file} is not UTF-8 text"]) from None
    except OSError as error:
        raise WrongSettings([f"{env_file} cannot be read: {error.strerror}"]) from None
    lines += inconsistencies(settings)
    if lines:
        raise WrongSettings(lines)
    return settings


def inconsistencies(settings: Settings) -> list[str]:
    """What is wrong between settings that are each right in themselves, and in the files they name."""
    lines = _file_lines(settings, "gamehub_token") + _file_lines(settings, "gamelog_agent_token")
    lines += _cache_lines(settings)
    agents_file = settings.gamelog_agents_file is not None
    required = {
        "gamehub_url": {"gamehub_token": _has(settings, "gamehub_token")},
        "gamelog_url": {
            "gamelog_agent_code": settings.gamelog_agent_code is not None or agents_file,
            "gamelog_agent_token": _has(settings, "gamelog_agent_token") or agents_file,
        },
    }
    for url, others in required.items():
        for other, given in others.items():
            alternative = f" or {other.upper()}_FILE" if other.endswith("_token") else ""
            if getattr(settings, url) is not None and not given:
                lines.append(f"{other.upper()}{alternative} is not set, though {url.upper()} is: set it")
            if getattr(settings, url) is None and _has(settings, other):
                lines.append(f"{url.upper()} is not set, though {other.upper()}{alternative} is: set it")
    if settings.gamelog_agent_code is not None and agents_file and not _has(settings, "gamelog_agent_token"):
        lines.append("GAMELOG_AGENT_TOKEN or GAMELOG_AGENT_TOKEN_FILE is not set, though GAMELOG_AGENT_CODE is: set it")
    lines += _plain_lines(settings) + _caller_lines(settings) + _tls_lines(settings)
    if settings.gamelog_agents_file is not None:
        try:
            read_agents(settings.gamelog_agents_file)
        except ValueError as error:
            lines.append(f"GAMELOG_AGENTS_FILE {error}")
    return lines


def _plain_lines(settings: Settings) -> list[str]:
    """Return what is wrong with addresses to which this server would speak without encryption."""
    if settings.allow_plain_http == "yes":
        return []
    return [
        f"{name.upper()} begins with http://, so {danger}; allowed is https, or ALLOW_PLAIN_HTTP=yes"
        for name, danger in _PLAIN_DANGERS.items()
        if _goes_plain(getattr(settings, name))
    ]


_PLAIN_DANGERS = {
    "gamehub_url": "anybody on the way could read the token",
    "gamelog_url": "anybody on the way could read the agents' tokens",
    "jwt_jwks_url": "anybody on the way could let himself in",
}


def _goes_plain(url: str | None) -> bool:
    """Return whether an address is reached over a network without encryption."""
    parts = urlsplit(url or "")
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def _cache_lines(settings: Settings) -> list[str]:
    """The same for the address of the cache."""
    lines = _file_lines(settings, "cache_url", lambda _: settings.cache_address)
    if not lines and settings.rate_store == "redis" and not settings.cache_in_redis:
        lines.append("CACHE_URL is no Redis, though RATE_STORE=redis counts there: set it to redis://host:port/db")
    return lines


def _caller_lines(settings: Settings) -> list[str]:
    """The same for the settings of callers."""
    lines = _file_lines(settings, "signing_secret")
    secret = settings.signing_secret
    if not lines and settings.signing_secret_file is not None:
        secret = SecretStr(read_token(settings.signing_secret_file))
    if secret is not None and len(secret.get_secret_value()) < LEAST_SIGNING_SECRET:
        lines.append(f"SIGNING_SECRET is shorter than {LEAST_SIGNING_SECRET} characters; allowed is {_SIGNING}")
    url = settings.jwt_jwks_url
    for name in ("jwt_issuer", "jwt_audience"):
        if url is not None and getattr(settings, name) is None:
            lines.append(f"{name.upper()} is not set, though JWT_JWKS_URL is: set it")
        if url is None and getattr(settings, name) is not None:
            lines.append(f"JWT_JWKS_URL is not set, though {name.upper()} is: set it")
    return lines


_IDENTITIES = {
    "GAMEHUB_CLIENT_CERT_FILE": "GAMEHUB_CLIENT_KEY_FILE",
    "GAMELOG_CLIENT_CERT_FILE": "GAMELOG_CLIENT_KEY_FILE",
    "JWKS_CLIENT_CERT_FILE": "JWKS_CLIENT_KEY_FILE",
    "TLS_CERT_FILE": "TLS_KEY_FILE",
}
_PROXIES = ("GAMEHUB_PROXY", "GAMELOG_PROXY", "JWKS_PROXY")


def _tls_lines(settings: Settings) -> list[str]:
    """The same for certificates, keys and the proxy."""
    lines = []
    for name in ("GAMEHUB_CA_FILE", "GAMELOG_CA_FILE", "JWKS_CA_FILE"):
        path = getattr(settings, NAMES[name])
        if path is not None and (wrong := _wrong(partial(issuers_in, path))):
            lines.append(f"{name} {wrong}; allowed is {_PEM}")
    for name, key_name in _IDENTITIES.items():
        cert, key = getattr(settings, NAMES[name]), getattr(settings, NAMES[key_name])
        if (cert is None) != (key is None):
            lacks, has = (name, key_name) if cert is None else (key_name, name)
            lines.append(f"{lacks} is not set, though {has} is: set it")
        elif cert is not None and (wrong := _wrong(partial(check_identity, cert, key))):
            lines.append(f"{key_name} {wrong}")
    through = [name for name in _PROXIES if getattr(settings, NAMES[name]) == "environment"]
    if through and settings.https_proxy is None:
        lines.append(f"HTTPS_PROXY is not set, though {through[0]}=environment goes by it: set it")
    elif through and (wrong := _wrong(partial(_proxy, settings))):
        lines.append(f"HTTPS_PROXY {wrong}; allowed is {_PROXY_ADDRESS}")
    return lines


def _proxy(settings: Settings) -> Proxy | None:
    """Return the proxy of the environment. Raises ValueError for an address that is none."""
    address = settings.https_proxy.get_secret_value() if settings.https_proxy is not None else ""
    return Proxy.of(address, settings.no_proxy or "") if address else None


def _wrong(read: Callable[[], object]) -> str | None:
    try:
        read()
    except ValueError as error:
        return str(error)
    return None


def read_token(path: Path) -> str:
    """The token that a file holds; ValueError says what is wrong, without the token."""
    text = _read(path).strip()
    if not text:
        raise ValueError(f"names {str(path)!r}, which is empty; allowed is a file that holds {_TOKEN}")
    try:
        _printable(SecretStr(text))
    except ValueError:
        raise ValueError(f"names {str(path)!r}, which holds more than a token; allowed is {_TOKEN}") from None
    return text


def read_cache_url(path: Path) -> str:
    """Return the address of the cache that a file holds; ValueError says what is wrong, without the address."""
    text = _read(path).strip()
    if not text:
        raise ValueError(f"names {str(path)!r}, which is empty; allowed is a file that holds {_CACHE}")
    try:
        _cache_url(SecretStr(text))
    except ValueError as error:
        raise ValueError(f"names {str(path)!r}, whose address {error}; allowed is {_CACHE}") from None
    return text


def read_agents(path: Path) -> dict[str, str]:
    """The agents' codes by group id; ValueError says what is wrong, without a token."""
    try:
        agents = orjson.loads(_read(path))
    except orjson.JSONDecodeError as error:
        raise ValueError(
            f"names {str(path)!r}, which is not JSON (line {error.lineno}, column {error.colno})"
        ) from None
    allowed = 'allowed is {"382": {"agent_code": "…", "agent_token": "…"}}'
    if not isinstance(agents, dict):
        raise ValueError(f"names {str(path)!r}, which is not an object of groups; {allowed}")
    found = {}
    for group, agent in agents.items():
        if not (group.isascii() and group.isdigit()):
            raise ValueError(f"names {str(path)!r}, in which {group!r} is no group id; {allowed}")
        values = [agent.get(key) for key in ("agent_code", "agent_token")] if isinstance(agent, dict) else [None]
        if not all(isinstance(value, str) and value for value in values):
            raise ValueError(
                f"names {str(path)!r}, in which group {group} lacks its agent_code or agent_token; {allowed}"
            )
        found[group] = agent["agent_code"]
    return found


def settings_table() -> str:
    """Return the table in Markdown, as docs/reference/settings.md shows it."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, line in Settings.model_fields.items():
        default = line.default.value if isinstance(line.default, Enum) else line.default
        default = default.get_secret_value() if isinstance(default, SecretStr) else default
        shown = "" if default is None else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
        rows.append(f"| `{name.upper()}` | {shown} | {line.description} |")
    return "\n".join(rows) + "\n"


class LiveSettings:
    """The settings as they stand now: `.env` and the files it names are read again once they have changed.

    Without `env_file` the settings themselves stay as given, and only the files they name are watched.
    """

    def __init__(self, settings: Settings, env_file: Path | None = ENV_FILE) -> None:
        self.first = settings
        self._settings = None if env_file is None else Watched(env_file.absolute(), load, settings)
        self._files: dict[tuple[str, Path], Watched[Any]] = {}
        # Read now, so that a file that is missing or half written at the first call has a last good value.
        try:
            self.gamehub_token()
            self.gamelog_token()
            self.signing_secret()
            self.gamelog_agents()
        except ValueError as error:
            raise WrongSettings([f"a file that a setting names has changed at the start: it {error}"]) from None

    @property
    def now(self) -> Settings:
        return self.first if self._settings is None else self._settings.value

    def gamehub_url(self) -> str:
        return self.now.gamehub_url or ""

    def gamehub_token(self) -> str:
        now = self.now
        return self._token(now.gamehub_token, now.gamehub_token_file)

    def gamelog_url(self) -> str:
        return self.now.gamelog_url or ""

    def gamelog_token(self) -> str:
        """The token of the agent of every group that has none of its own."""
        now = self.now
        return self._token(now.gamelog_agent_token, now.gamelog_agent_token_file)

    def signing_secret(self) -> str:
        """The secret that signs links; empty if there is none."""
        now = self.now
        return self._token(now.signing_secret, now.signing_secret_file)

    def gamelog_agents(self) -> dict[str, str]:
        """The codes of the agents that are some group's own, by group id."""
        path = self.now.gamelog_agents_file
        return {} if path is None else self._file("agents", path, read_agents)

    def _token(self, token: SecretStr | None, path: Path | None) -> str:
        if path is not None:
            return self._file("token", path, read_token)
        return "" if token is None else token.get_secret_value()

    def _file(self, what: str, path: Path, read: Callable[[Path], T]) -> T:
        watched = self._files.get((what, path))
        if watched is None:
            watched = self._files[what, path] = Watched(path, read)
        return cast(T, watched.value)


def _has(settings: Settings, name: str) -> bool:
    return getattr(settings, name) is not None or getattr(settings, f"{name}_file", None) is not None


def _file_lines(settings: Settings, name: str, read: Callable[[Path], str] = read_token) -> list[str]:
    """Return what is wrong with a setting that may stand in a file instead."""
    path = getattr(settings, f"{name}_file")
    if path is None:
        return []
    if name in settings.model_fields_set and getattr(settings, name) is not None:
        return [f"{name.upper()} and {name.upper()}_FILE are both set: set one of them"]
    try:
        read(path)
    except ValueError as error:
        return [f"{name.upper()}_FILE {error}"]
    return []


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"names {str(path)!r}, which is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"names {str(path)!r}, which cannot be read: {error.strerror}") from None


def _line(problem: Mapping[str, Any]) -> str:
    """One wrong setting in words. The value is shown only where `_time_zone` shows it: addresses may hold secrets."""
    name = str(problem["loc"][0])
    if problem["type"] == "value_error":
        what = str(problem["ctx"]["error"])
        if not what.startswith(("has", "names", "holds", "is")):  # urlsplit's own
            what = "is no address"
    else:
        what = "is not one of the allowed values"
    extra = Settings.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return f"{name.upper()} {what}; allowed is {extra['allowed']}"


_OTHERS = ("HTTP_PROXY", "FTP_PROXY", "ALL_PROXY")  # other programs read them


def _misspelt(env_file: Path) -> list[str]:
    """Names in `.env` that look like a setting and are none. The environment is not searched: others use it too."""
    try:
        names = list(dotenv.dotenv_values(env_file)) if env_file.is_file() else []
    except (OSError, UnicodeDecodeError):
        return []  # said in full when the settings are read
    lines = []
    for name in names:
        # Short names are anybody's: a HOSTS in `.env` is no misspelt HOST.
        close = get_close_matches(name.upper(), NAMES, n=1, cutoff=0.85) if len(name) >= 8 else []
        if name.upper() in (*NAMES, *_OTHERS):
            continue
        if close or name.upper().startswith(("GAMEHUB_", "GAMELOG_")):
            lines.append(f"{name} in {env_file} is no setting" + (f"; did you mean {close[0]}?" if close else ""))
    return lines
