"""The types of the values in the table of settings, and their checks."""

import ipaddress
import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr

from server.auth.permissions import OWN_PARTS
from server.http.guards.host_names import name_of
from server.http.public_address import checked_prefix
from upstream.resilience.hedge import Hedge

T = TypeVar("T")


class UserCodeFrom(Enum):
    """The part of a GameHub user that is the code of the user in Game History."""

    USERNAME = "username"
    EXTERNAL_USER_ID = "external_user_id"
    ID = "id"


def check_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https"):
        raise ValueError("has no http:// or https:// in front")
    if not parts.hostname:
        raise ValueError("names no host")
    # An @ after the host may end a password with a slash in it. Then the host is a part of the password.
    if "@" in value:
        raise ValueError("holds a user name or password, which would end up in logs")
    if parts.query or parts.fragment:
        raise ValueError("holds a ? or a #: the reports add their own parameters")
    if parts.port == 0:  # reading the port also refuses one that is no number
        raise ValueError("names port 0")
    return value


def check_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except Exception:  # a strange name may cause any error of the file system
        raise ValueError(f"is {value!r}, which is no time zone") from None
    return value


def check_cache_url(value: SecretStr) -> SecretStr:
    # The address itself may hold a password, so it is not repeated.
    address = value.get_secret_value()
    if address in ("off", "memory://"):
        return value
    if not address.startswith(_REDIS):
        raise ValueError("is none of these")
    # Imported here, because the library takes as long to import as the rest of a start.
    from upstream.redis import address as redis_address

    redis_address.check(address)
    return value


_REDIS = ("redis", "valkey", "unix://")


def check_claim(value: str) -> str:
    if not value.isprintable() or value != value.strip() or not value:
        raise ValueError("is no name of a claim")
    return value


def check_origins(value: str) -> str:
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


def check_root_path(value: str) -> str:
    prefix = checked_prefix(value)
    if prefix is None:
        raise ValueError(f"is {value[:100]!r}, which is no such path")
    if prefix and prefix.split("/")[1] in OWN_PARTS:
        raise ValueError(f"is {prefix!r}, which begins like a path of the server itself")
    return prefix


def check_hosts(value: str) -> str:
    if "@" in value:
        raise ValueError("holds an @, which no name of a host has")
    for host in listed(value):
        if name_of(host) != host.strip("[]").rstrip(".").lower():
            raise ValueError(f"holds {host[:100]!r}, which is no name of a host without a port")
    return value


def check_proxies(value: str) -> str:
    if value.strip() == "*":
        return value
    for part in listed(value):
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError:
            raise ValueError(f"holds {part[:100]!r}, which is no address and no network") from None
        if "/" in part and network.network_address != ipaddress.ip_interface(part).ip:
            raise ValueError(f"holds {part[:100]!r}, which is an address in a network; the network is {network}")
    return value


def check_headers(value: str) -> str:
    for name in listed(value):
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name, re.ASCII) or name == "*":
            raise ValueError(f"holds {name[:100]!r}, which is no name of a header")
    return value


def listed(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def check_printable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds a space, a line break or a sign that no token has")
    return value


def check_store(value: str) -> str:
    scheme, found, _ = value.partition("://")
    if not found or scheme in ("file", "local"):
        raise ValueError("is a folder; servers that share a folder set TABLES_SPOOL_DIR to it")
    if "@" in value or "?" in value:
        raise ValueError("holds a @ or a ?; credentials belong in the environment of the store")
    # Imported here because fsspec takes longer to import than the other settings together.
    from server.export.destination import Destination, WrongDestination

    try:
        Destination(value)
    except WrongDestination as error:
        raise ValueError(f"names a store that cannot be used: {error}") from None
    return value


def check_hedge(value: str) -> str:
    try:
        Hedge(value)
    except ValueError:
        raise ValueError("is neither") from None
    return value


Address = Annotated[str, AfterValidator(check_address)]
HedgeAfter = Annotated[str, AfterValidator(check_hedge)]
TimeZone = Annotated[str, AfterValidator(check_time_zone)]
Token = Annotated[SecretStr, AfterValidator(check_printable)]
Claim = Annotated[str, AfterValidator(check_claim)]
CacheUrl = Annotated[SecretStr, AfterValidator(check_cache_url)]
Origins = Annotated[str, AfterValidator(check_origins)]
HostNames = Annotated[str, AfterValidator(check_hosts)]
RootPath = Annotated[str, AfterValidator(check_root_path)]
Proxies = Annotated[str, AfterValidator(check_proxies)]
HeaderNames = Annotated[str, AfterValidator(check_headers)]
Store = Annotated[str, AfterValidator(check_store)]
File = Annotated[Path, AfterValidator(Path.expanduser)]


def setting(default: T, help: str, allowed: str, **limits: Any) -> T:
    """Define a line of the table: the default, the meaning and the allowed values."""
    return cast(T, Field(default, description=help, json_schema_extra={"allowed": allowed}, **limits))


ADDRESS = "an address such as https://bingo.example.com/api"
ZONE = "an IANA name such as Europe/Madrid"
TOKEN = "the token alone, as the vendor issued it"
FILE_TEXT = "the path of a readable file"
SECONDS = "seconds, more than 0 and at most 3600"
CACHE_ADDRESS = "memory://, redis://host:port/db or off"
STORE_ADDRESS = "an address such as s3://bucket/folder"
MEBIBYTES = "a whole number from 1"
PARALLEL = "a whole number from 1 to 1000"
CLAIM = "the name of a claim"
RATE = "a whole number from 0 to 1000000"
SIGNING = "at least 32 letters and digits, made by chance"
LEAST_SIGNING_SECRET = 32
PEM = "the path of a readable file in PEM"
VERSION = "1.2 or 1.3"
PROXY = "off or environment"
PROXY_ADDRESS = "http://host:port or http://user:password@host:port"
CA_HELP = "File with certificates of issuers to trust for {}, in addition to the system's. Read again when it changes."
CERT_HELP = "File with the client certificate that {} requires, and its chain. Goes with `{}_CLIENT_KEY_FILE`."
KEY_HELP = "File with the key of that certificate, without a password. Both are read again when they change."
MINIMUM_HELP = "The oldest TLS version for connections to {}: `1.2` or `1.3`."
PROXY_HELP = "`environment`: {} is reached through the proxy of `HTTPS_PROXY`, unless `NO_PROXY` names its host."
COUNT = "a whole number from 1"
BOUND = "a whole number from 0"
VENDOR = "a whole number from 0 to 100000"
TRUSTED = "seconds from 0 to 86400"
