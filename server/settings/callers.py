"""The settings of callers: how they authenticate, and how much each may request."""

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings

from server.settings.values import (
    ADDRESS,
    CA_HELP,
    CERT_HELP,
    CLAIM,
    FILE_TEXT,
    KEY_HELP,
    MINIMUM_HELP,
    PEM,
    PROXY,
    PROXY_HELP,
    RATE,
    SIGNING,
    VERSION,
    Address,
    Claim,
    File,
    Token,
    setting,
)
from upstream.transport.secure import Version


class CallerSettings(BaseSettings):
    """The settings of callers: how they authenticate, and how much each may request."""

    auth: Literal["required", "open"] | None = setting(
        None,
        "`required`: callers need a credential. `open`: a request without a credential may do everything. "
        "Default: `open` on a loopback address, `required` on any other.",
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
    keys_store: Literal["file", "redis"] = setting(
        "file",
        "Where the API keys are: `file`, in `KEYS_FILE`, or `redis`, in the Redis of `CACHE_URL`, for servers on "
        "several hosts.",
        "file or redis",
    )
    jwt_jwks_url: Address | None = setting(
        None, "Address of the key set (JWKS) of the issuer of tokens (JWT). Not set: no token is accepted.", ADDRESS
    )
    jwt_issuer: str | None = setting(None, "Issuer (`iss`) that tokens must name.", "a text")
    jwt_audience: str | None = setting(None, "Audience (`aud`) that tokens must name.", "a text")
    jwt_leeway: float = setting(
        30.0, "Seconds by which the clocks of issuer and server may differ.", "seconds from 0 to 300", ge=0, le=300
    )
    jwt_groups_claim: Claim = setting(
        "groups", 'Claim that lists the ids of the groups a token\'s bearer may see, or is `"*"`: all.', CLAIM
    )
    jwt_powers_claim: Claim = setting(
        "powers", "Claim that lists what a token's bearer may do: `explore`, `tables`, `admin`.", CLAIM
    )
    jwks_ca_file: File | None = setting(None, CA_HELP.format("the key set (JWKS)"), PEM)
    jwks_client_cert_file: File | None = setting(None, CERT_HELP.format("the key set (JWKS)", "JWKS"), PEM)
    jwks_client_key_file: File | None = setting(None, KEY_HELP, PEM)
    jwks_tls_minimum: Version = setting("1.2", MINIMUM_HELP.format("the key set (JWKS)"), VERSION)
    jwks_proxy: Literal["off", "environment"] = setting("off", PROXY_HELP.format("the key set (JWKS)"), PROXY)
    signing_secret: Token | None = setting(
        None, "Secret that signs links to tables, of 32 characters or more. Not set: no link is accepted.", SIGNING
    )
    signing_secret_file: File | None = setting(
        None, "File that holds it, instead of `SIGNING_SECRET`. Read again when it changes.", FILE_TEXT
    )
    rate_requests: int = setting(
        0,
        "Requests that a caller may make in a minute; 0 is no limit. A key may have its own. With a Redis, servers "
        "count together.",
        RATE,
        ge=0,
        le=10**6,
    )
    rate_calls: int = setting(
        0,
        "Upstream calls that a caller may cause in a minute; 0 is no limit. A key may have its own.",
        RATE,
        ge=0,
        le=10**6,
    )

    @property
    def keys_path(self) -> Path:
        return self.keys_file.expanduser().absolute()
