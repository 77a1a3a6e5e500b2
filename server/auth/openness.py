"""Decide whether callers need a credential: always on a network, unless two settings say otherwise."""

import ipaddress

OPEN, REQUIRED = "open", "required"


class TooOpen(Exception):
    """The server would be open to everybody on its network. The text says what to do."""


def required(auth: str | None, allow_open: bool, host: str | None) -> bool:
    """Return whether callers at the address `host` need a credential; None is a unix socket. Raises TooOpen.

    Only local users with rights on its file reach a unix socket. But it usually stands behind a proxy, which brings
    requests from everywhere, so callers need a credential by default.
    """
    if host is None:
        return auth != OPEN
    loopback = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    if auth is None:
        return not loopback
    if auth == OPEN and not loopback and not allow_open:
        raise TooOpen(
            f"AUTH=open on {host} would let everybody who reaches this machine read everything: make keys with "
            "`gamehub-graph keys create` and set AUTH=required, or say it twice with --allow-open or ALLOW_OPEN=yes"
        )
    return auth == REQUIRED
