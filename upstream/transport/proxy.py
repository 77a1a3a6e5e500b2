"""Find the proxy of connections, as `HTTPS_PROXY` and `NO_PROXY` describe it."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Hold a proxy for https addresses. `url` never contains the user name and the password, and no text shows them.

    `direct` lists the hosts that are reached without it: names (with all names below them), addresses, networks.
    """

    url: str
    direct: tuple[str, ...] = ()
    login: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, address: str, no_proxy: str = "") -> "Proxy | None":
        """Read the values of the two variables. None: every host is reached directly.

        Raises ValueError for an address that is none. Its text does not quote the address, which may hold a password.
        """
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("is no address") from None
        if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("is no address of a proxy")
        login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        direct = tuple(entry for each in no_proxy.split(",") if (entry := each.strip().lower()))
        if EVERYTHING in direct:
            return None
        shown = f"[{host}]" if ":" in host else host
        port = port or (443 if parts.scheme == "https" else 80)
        # "*.example.com" means ".example.com".
        return cls(f"{parts.scheme}://{shown}:{port}", tuple(entry.removeprefix("*") for entry in direct), login)

    def passes(self, scheme: str, host: str) -> bool:
        """Return whether a connection to this host goes through the proxy."""
        return scheme == "https" and not any(_covers(entry, host.lower()) for entry in self.direct)

    def secrets(self) -> list[str]:
        """Return what must not appear in any text."""
        return [self.login[1]] if self.login is not None and self.login[1] else []


def _covers(entry: str, host: str) -> bool:
    try:
        return ip_address(host.strip("[]")) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name = entry.removeprefix(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
