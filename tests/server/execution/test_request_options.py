"""The options of a request: in headers, in its extensions, and written wrongly."""

import datetime
from typing import Any

import pytest

from server.execution.request_options import RequestOptions, max_age, read
from server.http.request_error import RequestError
from server.http.request_headers import RequestHeaders


@pytest.mark.parametrize(
    ("headers", "extensions", "expected"),
    [
        ({}, {}, RequestOptions()),
        ({"x-graph-trace": "1"}, {}, RequestOptions(trace=True)),
        ({"X-Graph-Trace": "0"}, {}, RequestOptions()),
        ({}, {"trace": True}, RequestOptions(trace=True)),
        ({"X-Graph-Explain": "true"}, {}, RequestOptions(explain=True)),
        ({}, {"explain": True, "trace": False}, RequestOptions(explain=True)),
        ({"X-Graph-Max-Calls": "10"}, {}, RequestOptions(max_calls=10)),
        ({"X-Graph-Max-Calls": "10"}, {"maxCalls": 4}, RequestOptions(max_calls=4)),
        ({"X-Graph-Max-Calls": "0"}, {"persistedQuery": {"version": 1}}, RequestOptions(max_calls=0)),
        ({"Cache-Control": "no-cache", "X-Graph-Trace": "1"}, {}, RequestOptions(trace=True, max_age=0)),
        ({"Cache-Control": "max-age=60"}, {"trace": True}, RequestOptions(trace=True, max_age=60)),
    ],
)
def test_it_is_read(headers: dict[str, str], extensions: dict[str, Any], expected: RequestOptions) -> None:
    assert read({name.lower(): value for name, value in headers.items()}, extensions) == expected


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({}, None),
        ({"cache-control": "no-cache"}, 0),
        ({"cache-control": "NO-CACHE"}, 0),
        ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": "Max-Age = 60"}, 60),
        ({"cache-control": 'max-age="60"'}, 60),
        ({"cache-control": "no-store, max-age=60, min-fresh=5"}, 60),
        ({"cache-control": "max-age=60, no-cache"}, 0),
        ({"cache-control": 'no-cache="Age", max-age=60'}, 0),
        ({"cache-control": "max-age=60, max-age=5"}, 5),
        ({"cache-control": 'said="no-cache, \\" no-cache", max-age=60'}, 60),
        ({"cache-control": "max-stale=60"}, None),
        ({"cache-control": "no-caches, only-if-cached"}, None),
        ({"cache-control": ",, ,"}, None),
        ({"cache-control": ""}, None),
        # A bound that cannot be read is the strictest one.
        ({"cache-control": "max-age=ten"}, 0),
        ({"cache-control": "max-age=-1"}, 0),
        ({"cache-control": "max-age=1.5"}, 0),
        ({"cache-control": "max-age"}, 0),
        ({"cache-control": "max-age=²"}, 0),
        ({"cache-control": "max-age=" + "9" * 5000}, 2**31),
        ({"pragma": "no-cache"}, 0),
        ({"pragma": "other"}, None),
        # Pragma is for clients that know no Cache-Control (RFC 9111, section 5.4).
        ({"pragma": "no-cache", "cache-control": "max-age=60"}, 60),
    ],
)
def test_the_greatest_age(headers: dict[str, str], age: float | None) -> None:
    assert max_age(headers) == age


def test_a_long_header_is_read_in_no_time() -> None:
    for part in (" ", "a=", 'a="', '"\\', "a ", ","):
        max_age({"cache-control": part * 30_000})


def test_the_later_of_two_bounds_holds() -> None:
    now = datetime.datetime(2026, 3, 15, 12, tzinfo=datetime.UTC)
    earlier, later = now - datetime.timedelta(minutes=2), now - datetime.timedelta(minutes=1)
    assert RequestOptions().oldest(now) is None
    assert RequestOptions(max_age=60).oldest(now) == later
    assert RequestOptions(not_before=earlier).oldest(now) == earlier
    assert RequestOptions(max_age=60, not_before=earlier).oldest(now) == later
    assert RequestOptions(max_age=120, not_before=later).oldest(now) == later


def test_lists_may_come_in_parts() -> None:
    fields = RequestHeaders.of(
        {"headers": [(b"cache-control", b"max-age=9"), (b"cache-control", b"no-cache"), (b"host", b"a")]}
    )
    assert fields == {"cache-control": "max-age=9, no-cache", "host": "a"}


@pytest.mark.parametrize(
    ("headers", "extensions"),
    [
        ({"X-Graph-Trace": "yes"}, {}),
        ({"X-Graph-Explain": ""}, {}),
        ({"X-Graph-Max-Calls": "-1"}, {}),
        ({"X-Graph-Max-Calls": "ten"}, {}),
        ({"X-Graph-Max-Calls": "1.5"}, {}),
        ({"X-Graph-Max-Calls": "9" * 400}, {}),
        ({"X-Graph-Max-Calls": ""}, {}),
        ({}, {"trace": 1}),
        ({}, {"explain": "true"}),
        ({}, {"maxCalls": True}),
        ({}, {"maxCalls": -1}),
        ({}, {"maxCalls": "3"}),
    ],
)
def test_it_is_refused(headers: dict[str, str], extensions: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refused:
        read({name.lower(): value for name, value in headers.items()}, extensions)
    assert refused.value.status == 400
    assert refused.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"
