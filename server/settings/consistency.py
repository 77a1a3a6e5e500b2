"""Check settings against each other, and the files that they name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from server.http.guards.host_names import is_loopback
from server.settings.files import read_agents, read_token
from server.settings.settings import NAMES, Settings, proxy_of
from server.settings.values import LEAST_SIGNING_SECRET, PEM, PROXY_ADDRESS, SIGNING
from server.tracing.switch import MISSING, is_installed
from upstream.transport.secure import check_identity, issuers_in


def inconsistencies(settings: Settings) -> list[str]:
    """Describe each contradiction between settings, and each wrong file that they name."""
    lines = _file_lines(settings, "gamehub_token") + _file_lines(settings, "gamelog_agent_token")
    lines += store_lines(settings)
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
    if settings.subgraph is not None and not settings.uses_sandbox:
        url = f"{settings.subgraph}_url"
        if getattr(settings, url) is None:
            lines.append(f"{url.upper()} is not set, though SUBGRAPH={settings.subgraph} serves it: set it")
    if settings.gamelog_agent_code is not None and agents_file and not _has(settings, "gamelog_agent_token"):
        lines.append("GAMELOG_AGENT_TOKEN or GAMELOG_AGENT_TOKEN_FILE is not set, though GAMELOG_AGENT_CODE is: set it")
    if settings.traces == "on" and not is_installed():
        lines.append(MISSING)
    lines += _plain_lines(settings) + _caller_lines(settings) + _tls_lines(settings)
    if not lines:
        lines += _worker_lines(settings)
    lines += _flight_lines(settings)
    if settings.gamelog_agents_file is not None:
        try:
            read_agents(settings.gamelog_agents_file)
        except ValueError as error:
            lines.append(f"GAMELOG_AGENTS_FILE {error}")
    return lines


def _flight_lines(settings: Settings) -> list[str]:
    """Describe a port of Flight SQL that is open to a network, beside a unix socket that is not."""
    beside = settings.unix_socket is not None and settings.sql_flight_port != 0
    is_open = settings.auth == "open" and settings.allow_open == "no" and not is_loopback(settings.host)
    if not (beside and is_open):
        return []
    return [
        f"SQL_FLIGHT_PORT listens at HOST={settings.host}, which everybody on its network reaches, though AUTH=open: "
        "set AUTH=required, or HOST to a loopback address"
    ]


def _worker_lines(settings: Settings) -> list[str]:
    """Describe limits of the vendors that cannot be divided by the workers."""
    names = ["gamehub_concurrency", "gamelog_concurrency"]
    names += [] if settings.cache_in_redis else ["gamehub_calls_per_minute", "gamelog_calls_per_minute"]
    return [
        f"{name.upper()} is {getattr(settings, name)}, less than WORKERS={settings.workers}, which divide it: set "
        "fewer workers"
        for name in names
        if 0 < getattr(settings, name) < settings.workers
    ]


def _plain_lines(settings: Settings) -> list[str]:
    """Describe each address that this server would call without encryption."""
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
    """Return whether calls to an address cross a network without encryption."""
    parts = urlsplit(url or "")
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def store_lines(settings: Settings) -> list[str]:
    """Describe what is wrong with the address of the Redis, and with the place of the API keys."""
    lines = _file_lines(settings, "cache_url", lambda _: settings.cache_address)
    if not lines and settings.keys_store == "redis" and not settings.cache_in_redis:
        lines.append(
            "CACHE_URL is no Redis, though KEYS_STORE=redis has the API keys there: set it to redis://host:port/db"
        )
    return lines


def _caller_lines(settings: Settings) -> list[str]:
    """Describe what is wrong with the settings of callers."""
    lines = _file_lines(settings, "signing_secret")
    secret = settings.signing_secret
    if not lines and settings.signing_secret_file is not None:
        secret = SecretStr(read_token(settings.signing_secret_file))
    if secret is not None and len(secret.get_secret_value()) < LEAST_SIGNING_SECRET:
        lines.append(f"SIGNING_SECRET is shorter than {LEAST_SIGNING_SECRET} characters; allowed is {SIGNING}")
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
    "CACHE_CLIENT_CERT_FILE": "CACHE_CLIENT_KEY_FILE",
    "TLS_CERT_FILE": "TLS_KEY_FILE",
}
_PROXIES = ("GAMEHUB_PROXY", "GAMELOG_PROXY", "JWKS_PROXY")


def _tls_lines(settings: Settings) -> list[str]:
    """Describe what is wrong with certificates, keys and the proxy."""
    lines = []
    for name in ("GAMEHUB_CA_FILE", "GAMELOG_CA_FILE", "JWKS_CA_FILE", "CACHE_CA_FILE"):
        path = getattr(settings, NAMES[name])
        if path is not None and (wrong := _wrong(partial(issuers_in, path))):
            lines.append(f"{name} {wrong}; allowed is {PEM}")
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
    elif through and (wrong := _wrong(partial(proxy_of, settings))):
        lines.append(f"HTTPS_PROXY {wrong}; allowed is {PROXY_ADDRESS}")
    return lines


def _wrong(read: Callable[[], object]) -> str | None:
    try:
        read()
    except ValueError as error:
        return str(error)
    return None


def _has(settings: Settings, name: str) -> bool:
    return getattr(settings, name) is not None or getattr(settings, f"{name}_file", None) is not None


def _file_lines(settings: Settings, name: str, read: Callable[[Path], str] = read_token) -> list[str]:
    """Describe what is wrong with a setting that a file may contain instead."""
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
