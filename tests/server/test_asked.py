"""What a request asks about itself: in headers, in its extensions, and written wrongly."""

from typing import Any

import pytest

from server.asked import Asked, read
from server.refusal import Refusal


@pytest.mark.parametrize(
    ("headers", "extensions", "asked"),
    [
        ({}, {}, Asked()),
        ({"x-graph-trace": "1"}, {}, Asked(trace=True)),
        ({"X-Graph-Trace": "0"}, {}, Asked()),
        ({}, {"trace": True}, Asked(trace=True)),
        ({"X-Graph-Explain": "true"}, {}, Asked(explain=True)),
        ({}, {"explain": True, "trace": False}, Asked(explain=True)),
        ({"X-Graph-Max-Calls": "10"}, {}, Asked(max_calls=10)),
        ({"X-Graph-Max-Calls": "10"}, {"maxCalls": 4}, Asked(max_calls=4)),
        ({"X-Graph-Max-Calls": "0"}, {"persistedQuery": {"version": 1}}, Asked(max_calls=0)),
    ],
)
def test_it_is_read(headers: dict[str, str], extensions: dict[str, Any], asked: Asked) -> None:
    assert read({name.lower(): value for name, value in headers.items()}, extensions) == asked


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
    with pytest.raises(Refusal) as refused:
        read({name.lower(): value for name, value in headers.items()}, extensions)
    assert refused.value.status == 400
    assert refused.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"
