"""Whether callers have to say who they are: on other machines' networks always, unless it was said twice that not."""

import ipaddress

OPEN, REQUIRED = "open", "required"


class TooOpen(Exception):
    """An open house where everybody could walk in; the text says what to do."""


def required(auth: str | None, allow_open: bool, host: str) -> bool:
    """Whether a credential is required of who calls at the address `host`. Raises TooOpen."""
    loopback = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    if auth is None:
        return not loopback
    if auth == OPEN and not loopback and not allow_open:
        raise TooOpen(
            f"AUTH=open on {host} would let everybody who reaches this machine read everything: make keys with "
            "`gamehub-graph keys create` and set AUTH=required, or say it twice with --allow-open or ALLOW_OPEN=yes"
        )
    return auth == REQUIRED
