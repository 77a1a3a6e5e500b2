"""The settings of the two upstream systems."""

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from resolvers.rules.join import MovementJoin
from server.settings.values import (
    ADDRESS,
    CA_HELP,
    CERT_HELP,
    FILE_TEXT,
    KEY_HELP,
    MEBIBYTES,
    MINIMUM_HELP,
    PARALLEL,
    PEM,
    PROXY,
    PROXY_ADDRESS,
    PROXY_HELP,
    SECONDS,
    TOKEN,
    VENDOR,
    VERSION,
    ZONE,
    Address,
    File,
    HedgeAfter,
    TimeZone,
    Token,
    UserCodeFrom,
    setting,
)
from upstream.transport.secure import Version


class UpstreamSettings(BaseSettings):
    """The settings of the two upstream systems."""

    gamehub_url: Address | None = setting(
        None,
        "Base address of GameHub's reports. If this and `GAMELOG_URL` are not set, the sandbox replaces both.",
        ADDRESS,
    )
    gamehub_token: Token | None = setting(None, "GameHub's API token.", TOKEN)
    gamehub_token_file: File | None = setting(
        None,
        "File that holds GameHub's API token, instead of `GAMEHUB_TOKEN`. Read again when it changes.",
        FILE_TEXT,
    )
    gamehub_timezone: TimeZone = setting("UTC", "Time zone in which GameHub writes dates and times.", ZONE)
    gamehub_timeout: float = setting(
        30.0, "Seconds that one GameHub report may take, retries included.", SECONDS, gt=0, le=3600
    )
    gamehub_concurrency: int = setting(16, "GameHub calls under way at the same time.", PARALLEL, ge=1, le=1000)
    gamehub_calls_per_minute: int = setting(
        0,
        "Requests that GameHub may be sent in any minute, retries included; the others wait, and those that cannot be "
        "sent before their deadline fail with `OVERLOADED`. 0 is no limit. The servers of a Redis count "
        "together; without one, each server counts its own.",
        VENDOR,
        ge=0,
        le=100_000,
    )
    gamehub_ca_file: File | None = setting(None, CA_HELP.format("GameHub"), PEM)
    gamehub_client_cert_file: File | None = setting(None, CERT_HELP.format("GameHub", "GAMEHUB"), PEM)
    gamehub_client_key_file: File | None = setting(None, KEY_HELP, PEM)
    gamehub_tls_minimum: Version = setting("1.2", MINIMUM_HELP.format("GameHub"), VERSION)
    gamehub_proxy: Literal["off", "environment"] = setting("off", PROXY_HELP.format("GameHub"), PROXY)
    gamelog_url: Address | None = setting(None, "Address of Game History.", ADDRESS)
    gamelog_agent_code: str | None = setting(None, "Code of the agent at Game History.", "a text")
    gamelog_agent_token: Token | None = setting(None, "Token of that agent.", TOKEN)
    gamelog_agent_token_file: File | None = setting(
        None,
        "File that holds the agent's token, instead of `GAMELOG_AGENT_TOKEN`. Read again when it changes.",
        FILE_TEXT,
    )
    gamelog_agents_file: File | None = setting(
        None,
        "JSON file of the groups that have an agent of their own: "
        '`{"382": {"agent_code": "…", "agent_token": "…"}}`. Read again when it changes.',
        FILE_TEXT,
    )
    gamelog_timezone: TimeZone = setting("UTC", "Time zone in which Game History reads `start` and `end`.", ZONE)
    gamelog_timeout: float = setting(
        60.0, "Seconds that one game log may take, all its pages included.", SECONDS, gt=0, le=3600
    )
    gamelog_concurrency: int = setting(8, "Game History calls under way at the same time.", PARALLEL, ge=1, le=1000)
    gamelog_calls_per_minute: int = setting(
        0,
        "Requests that Game History may be sent in any minute, as `GAMEHUB_CALLS_PER_MINUTE` for GameHub. Each page of "
        "a log is a request.",
        VENDOR,
        ge=0,
        le=100_000,
    )
    gamelog_ca_file: File | None = setting(None, CA_HELP.format("Game History"), PEM)
    gamelog_client_cert_file: File | None = setting(None, CERT_HELP.format("Game History", "GAMELOG"), PEM)
    gamelog_client_key_file: File | None = setting(None, KEY_HELP, PEM)
    gamelog_tls_minimum: Version = setting("1.2", MINIMUM_HELP.format("Game History"), VERSION)
    gamelog_proxy: Literal["off", "environment"] = setting("off", PROXY_HELP.format("Game History"), PROXY)
    https_proxy: SecretStr | None = setting(
        None,
        "Proxy for https addresses, `http://user:password@host:port`. Used where a setting ending in `_PROXY` says so.",
        PROXY_ADDRESS,
    )
    no_proxy: str | None = setting(
        None,
        "Hosts, separated by commas, that are reached without it: names (with all names below them), addresses, "
        "networks such as `10.0.0.0/8`, `*` for all.",
        "names, addresses and networks",
    )
    max_upstream_mebibytes: int = setting(
        256, "The maximum size of an upstream answer, in MiB after decompression.", MEBIBYTES, ge=1, le=4096
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
        "Consecutive failures of one report after which its calls pause; 0: they never pause.",
        "a whole number from 0 to 1000",
        ge=0,
        le=1000,
    )
    breaker_seconds: float = setting(
        5.0, "Seconds of the first pause, before the report is tried again.", SECONDS, gt=0, le=3600
    )
    hedge_after: HedgeAfter | None = setting(
        None,
        "Send a late call a second time and use the first answer: after this many seconds (`0.5`), or later than "
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
        "Whether the movements of a group (R5) may replace those of its users (R7): `verify` compares a sample "
        "once a day, `trust` is your word that users never leave their group, `never` always reads R7.",
        "verify, trust or never",
    )
