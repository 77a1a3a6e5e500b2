"""When a credential is required, and when the server refuses to start."""

import pytest

from server.auth.openness import TooOpen, required


@pytest.mark.parametrize(
    ("auth", "allow_open", "host", "expected"),
    [
        (None, False, "127.0.0.1", False),
        (None, False, "127.8.8.8", False),
        (None, False, "::1", False),
        (None, False, "0.0.0.0", True),
        (None, True, "0.0.0.0", True),  # allowed is not required
        (None, False, "::", True),
        (None, False, "192.0.2.1", True),
        (None, False, "fe80::1%eth0", True),
        ("required", False, "127.0.0.1", True),
        ("required", True, "0.0.0.0", True),
        ("open", False, "127.0.0.1", False),
        ("open", True, "0.0.0.0", False),
        # A unix socket usually stands behind a proxy.
        (None, False, None, True),
        (None, True, None, True),
        ("required", False, None, True),
        ("open", False, None, False),
    ],
)
def test_required(auth: str | None, allow_open: bool, host: str | None, expected: bool) -> None:
    assert required(auth, allow_open, host) is expected


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1"])
def test_open_on_a_network_is_said_twice(host: str) -> None:
    with pytest.raises(TooOpen, match="--allow-open or ALLOW_OPEN=yes"):
        required("open", False, host)
