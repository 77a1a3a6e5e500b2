"""Addresses of Redis and Valkey: what they name, and that a wrong one is refused without being quoted."""

from typing import Any

import pytest

from upstream.redis.address import RedisKind, check, is_redis, parse

SECRET = "s3cret-59e6"


@pytest.mark.parametrize(
    ("address", "kind", "tls", "nodes", "master", "options"),
    [
        ("redis://", RedisKind.SINGLE, False, (("localhost", 6379),), "", {}),
        ("valkey://h:1/2", RedisKind.SINGLE, False, (("h", 1),), "", {"host": "h", "port": 1, "db": 2}),
        (
            "rediss://u:a%2Fb@h?ssl_check_hostname=false",
            RedisKind.SINGLE, True, (("h", 6379),), "", {"host": "h", "username": "u", "password": "a/b"},
        ),
        (
            "redis+sentinel://u:p@one:1,[::1]/my%20days/3?sentinel_password=q",
            RedisKind.SENTINEL, False, (("one", 1), ("::1", 26379)), "my days",
            {"username": "u", "password": "p", "db": 3},
        ),
        ("valkeys+sentinel://one/days", RedisKind.SENTINEL, True, (("one", 26379),), "days", {}),
        ("redis+cluster://one:1,two", RedisKind.CLUSTER, False, (("one", 1), ("two", 6379)), "", {}),
        ("rediss+cluster://:p@one/0", RedisKind.CLUSTER, True, (("one", 6379),), "", {"password": "p", "db": 0}),
    ],
)  # fmt: skip
def test_the_parts_of_an_address(
    address: str,
    kind: RedisKind,
    tls: bool,
    nodes: tuple[tuple[str, int], ...],
    master: str,
    options: dict[str, Any],
) -> None:
    assert is_redis(address)
    found = parse(address)
    assert (found.kind, found.tls, found.nodes, found.master) == (kind, tls, nodes, master)
    assert found.options == options
    assert found.check_hostname is ("ssl_check_hostname" not in address)
    assert found.sentinel_options == ({"password": "q"} if "sentinel_password" in address else {})


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (f"redis+sentinel://:{SECRET}@one:1", "does not name the master"),
        (f"redis+sentinel://:{SECRET}@one:x/days", "holds a port that is no number"),
        (f"redis+sentinel://:{SECRET}@one/days/x", "does not name the master"),
        (f"redis+sentinel://:{SECRET}@one,/days", "names a host that is empty"),
        (f"redis+sentinel://:a/{SECRET}@one/days", "holds a port that is no number, or a password"),
        (f"redis+cluster://:{SECRET}@one/3", "names a database, but a Cluster has only database 0"),
        (f"redis+cluster://:{SECRET}@one?sentinel_password=x", "has an option that the client"),
        (f"redis+cluster://:{SECRET}@one?colour=x", "has an option that the client"),
        (f"redis://:{SECRET}@one,two", "names several hosts"),
        (f"rediss://:{SECRET}@one?ssl_ca_certs=/x", "names files or rules of TLS: set CACHE_CA_FILE"),
        (f"redis+proxy://:{SECRET}@one", "is no address of a Redis"),
        (f"redisx://:{SECRET}@one", "is no address of a Redis"),
    ],
)
def test_a_wrong_address_is_refused_and_not_quoted(address: str, says: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # its text is compared below
        check(address)
    assert str(refused.value).startswith(says)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("own", "sentinels"), [("hush", "hush-hush"), ("hush-hush", "hush"), ("hush", "hush")])
def test_a_password_that_contains_another_one_is_taken_out_whole(own: str, sentinels: str) -> None:
    address = parse(f"redis+sentinel://:{own}@one/days?sentinel_password={sentinels}")
    assert address.without_secrets(f"wrong: {own}, {sentinels}") == "wrong: ***, ***"
    assert parse("redis://one").without_secrets("wrong: ") == "wrong: "
