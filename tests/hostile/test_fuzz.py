"""Requests made at random, to every route, with odd parameters, headers and bodies: no answer is a fault of the server.

An answer may be 503 or 507, which security.md and resilience.md in docs/explanation explain. Nothing else from 500 on
may come.
"""

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from server.execution.saved import saved_queries
from server.odata.filter import COMPARISONS, FUNCTIONS
from server.odata.options import OPTIONS
from server.tables.formats import FORMATS
from tests.effort import tries
from tests.hostile.corpus import http
from tests.hostile.wire import Answer, send

EXPLAINED = (503, 507)
TABLES = [saved.name for saved in saved_queries()]
WINDOW = {"since": "2026-03-10", "until": "2026-03-12", "group": "382"}

fuzz = settings(
    max_examples=tries(40),
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    derandomize=True,
    database=None,
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
)

ODD = st.sampled_from(
    [
        "", " ", "0", "-1", "1.5", "1e999", "nan", "-inf", "9" * 25, "9" * 5000, "0x10", "1_000", "٣", "null", "true",
        "\0", "%", "%00", "%zz", "\ud7ff", "😀", "é", "'", '"', "\\", "../..", "a/b", "*", "#", "?", "&", ";", "\r\n",
        "\t", "{}", "[]", "1970-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "2026-02-30", "2026-03-12T25:00", "2026-03-12T10:00:00.123456789Z", "2026-W11-4", "24:00", "x" * 3000, "382",
        "last_month", "today", "TODAY",
    ]
)  # fmt: skip
VALUES = ODD | st.text(max_size=12) | st.integers().map(str) | st.datetimes().map(str)
DATES = st.sampled_from(
    ["Thu, 01 Jan 1970 00:00:00 GMT", "Sat, 31 Dec 9999 23:59:59 GMT", "Thu, 32 Mar 2026 00:00:00 GMT", "0", "now"]
)
RANGES = st.lists(
    st.from_regex(r"(\d{0,3}|9{30})-(\d{0,3}|9{30})?|[a-z,= -]{0,5}", fullmatch=True), max_size=4
).map(",".join)  # fmt: skip
HEADERS = {
    "Range": RANGES.map(lambda text: f"bytes={text}") | st.sampled_from(["bytes=" + "9" * 5000 + "-", "rows=0-1"]),
    "If-Range": DATES | st.sampled_from(['"a"', 'W/"a"']),
    "If-None-Match": st.sampled_from(["*", '"a"', 'W/"a", "b"', ",,", '"']),
    "If-Match": st.sampled_from(["*", '"a"', 'W/"a"', '"']),
    "If-Modified-Since": DATES,
    "If-Unmodified-Since": DATES,
    "Accept": st.sampled_from(
        ["*/*", "text/html", "application/json;q=x", "a/b;q=9", ",", "application/graphql-response+json"]
    ),
    "Accept-Encoding": st.sampled_from(["gzip", "zstd;q=1", "gzip;q=nan", "gzip;q=-1", "identity;q=0", "*"]),
    "Cache-Control": st.sampled_from(["max-age=0", "max-age=99999999999999999999", "max-age=-1", "no-cache,max-age=x"]),
    "Prefer": st.sampled_from(["odata.maxpagesize=1", "maxpagesize=0", "maxpagesize=999999999", "maxpagesize=x"]),
    "OData-MaxVersion": st.sampled_from(["4.0", "3", "x", "99999999999"]),
    "Origin": st.sampled_from(["null", "http://evil.example", "http://[", "http://localhost"]),
    "Sec-Fetch-Site": st.sampled_from(["same-origin", "none", "x"]),
    "Sec-Fetch-Mode": st.sampled_from(["navigate", "cors"]),
    "Authorization": st.sampled_from(["Basic", "Basic !!", "Basic OTp4", "Bearer", "Bearer a.b.c", "x " * 99]),
    "X-Api-Key": st.sampled_from(["", "x", "gg_" + "a" * 80]),
    "Forwarded": st.sampled_from(["for=1.2.3.4;proto=https", 'host="evil.example"', "for=x, for=[::1]", '"', ";,="]),
    "X-Forwarded-For": st.sampled_from(["1.2.3.4", "x", "::1, ,"]),
    "X-Forwarded-Host": st.sampled_from(["localhost", "evil.example", "a/b", "[", "localhost, a b", ","]),
    "X-Forwarded-Prefix": st.sampled_from(["/graph", "//evil.example", "/a, /b", "/..", "/\"><b>", "/tables", "x"]),
    "X-Forwarded-Proto": st.sampled_from(["https", "javascript", "https, http", ""]),
    "X-Request-Id": VALUES,
    "X-Graph-Trace": VALUES,
    "X-Graph-Explain": VALUES,
    "X-Graph-Max-Calls": VALUES,
    "X-Graph-Max-Rows": VALUES,
    "Content-Type": st.sampled_from(["application/json", "application/json;charset=x", "text/plain", "", "x/y"]),
    "Expect": st.sampled_from(["100-continue", "x"]),
    "traceparent": VALUES,
}  # fmt: skip


def clean(text: str) -> str:
    """Return a text as it can stand in a header: what ends a line ends the header."""
    return re.sub(r"[\r\n]", "", text).encode("utf-8", "ignore").decode("latin-1")


headers = st.fixed_dictionaries({}, optional=HEADERS).flatmap(
    lambda all: (
        st.sets(st.sampled_from(sorted(all)), max_size=4).map(lambda some: {name: clean(all[name]) for name in some})
        if all
        else st.just({})
    )
)


def sent(address: str, method: str, path: str, given: dict[str, str], body: bytes = b"") -> Answer:
    """Return the answer to a request, which must come in time, and be no fault of the server."""
    answer = send(address, http(method, path, {**given}, body))
    assert answer.status < 500 or answer.status in EXPLAINED, (method, path, given, body, answer.body[:500])
    return answer


def query(parameters: dict[str, str] | list[tuple[str, str]]) -> str:
    """Return parameters as they stand in an address."""
    return "?" + urlencode(parameters, quote_via=quote, errors="ignore")


def description(answer: Answer) -> str:
    """Return the code of a refusal."""
    content: Any = json.loads(answer.body)
    code: str = content["error"]["code"] if "error" in content else content["errors"][0]["extensions"]["code"]
    return code


parameters = st.dictionaries(
    st.sampled_from(["group", "user", "room", "since", "until", "period", "limit", "first", "during", "x"])
    | st.text(max_size=4),
    VALUES,
    max_size=2,
)


@fuzz
@given(
    table=st.sampled_from(TABLES) | VALUES,
    form=st.sampled_from([*FORMATS, "exe", "csv.gz"]),
    method=st.sampled_from(["GET", "GET", "HEAD", "OPTIONS", "PUT"]),
    given=headers,
    more=parameters,
)
def test_tables(table: str, form: str, method: str, given: dict[str, str], more: dict[str, str], address: str) -> None:
    known = {"since": WINDOW["since"], "until": WINDOW["until"]} if not {"since", "until", "period"} & set(more) else {}
    name = quote(table, safe="", errors="ignore")
    sent(address, method, f"/tables/{name}.{form}{query({**known, **more})}", given)


@fuzz
@given(given=headers, form=st.sampled_from(list(FORMATS)), head=st.booleans())
def test_files(given: dict[str, str], form: str, head: bool, address: str) -> None:
    """Send headers with a request for a file that exists."""
    answer = sent(address, "HEAD" if head else "GET", f"/tables/Users.{form}?group=382", given)
    assert answer.status in (200, 206, 304, 400, 401, 403, 406, 412, 416, 417, 429)


KEYS = st.sampled_from(
    [
        "day",
        "hour",
        "WEEK",
        "timestamp",
        "timestamp.month",
        "type",
        "amount",
        "amount.day",
        "currency",
        "user_id",
        "a.b.c",
    ]
)
FIGURES = st.sampled_from([".sum", "sum", "min", "max", "countdistinct", "count", "limit", "bom", "by"])


@fuzz
@given(
    table=st.sampled_from(["GroupTransactions", "DailyMovements", "FinancialMovements", "Users", "Groups"]),
    form=st.sampled_from(["", *(f".{form}" for form in FORMATS)]),
    by=st.lists(KEYS | VALUES, max_size=3).map(",".join),
    figures=st.lists(st.tuples(FIGURES, KEYS | st.sampled_from(["1", "net"]) | VALUES), max_size=3),
    given=headers,
)
def test_totals(
    table: str, form: str, by: str, figures: list[tuple[str, str]], given: dict[str, str], address: str
) -> None:
    window = [] if table in ("Users", "Groups") else [("since", WINDOW["since"]), ("until", WINDOW["until"])]
    group = [] if table == "Groups" else [("group", "382")]
    sent(address, "GET", f"/tables/{table}{form}{query([*group, *window, ('by', by), *figures])}", given)


COLUMNS = st.sampled_from(
    ["rowKey", "timestamp", "typeName", "amount", "currency", "group_id", "user_username", "id", "name", "value", "x"]
)
LITERALS = st.sampled_from(
    [
        "null", "true", "false", "0", "-1", "1.5", "1e3", "1e-40", "9" * 25, "9" * 80, "''", "'a'", "'it''s'", "'😀'",
        "'%'", "2026-03-11", "2026-02-30", "9999-12-31", "2026-03-11T10:00:00Z", "2026-03-11T10:00:00.1234567Z",
        "9999-12-31T23:59:59-14:00", "2026-03-11T10:00:00", "10:00:00", "duration'P1D'", "geography'x'", "INF", "NaN",
        "00000000-0000-0000-0000-000000000000", "'2026-03-11.0000001'", "'2026-03-11/2026-03-12.0000001'",
    ]
)  # fmt: skip
terms = st.recursive(
    COLUMNS | LITERALS,
    lambda inner: st.builds(
        lambda name, parts: f"{name}({','.join(parts)})",
        st.sampled_from([*FUNCTIONS, "now", "time", "x", "geo.length"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=4,
)
conditions = st.recursive(
    st.builds(lambda left, word, right: f"{left} {word} {right}", terms, st.sampled_from([*COMPARISONS, "has"]), terms)
    | st.builds(lambda left, items: f"{left} in ({','.join(items)})", terms, st.lists(LITERALS | terms, max_size=4))
    | terms,
    lambda inner: (
        st.builds(lambda left, word, right: f"{left} {word} {right}", inner, st.sampled_from(["and", "or"]), inner)
        | inner.map(lambda one: f"not ({one})")
    ),
    max_leaves=4,
)
figures = st.builds(
    lambda column, function: f"{column} with {function} as n",
    COLUMNS,
    st.sampled_from(["sum", "min", "max", "average"]),
) | st.sampled_from(["$count as n", "id with countdistinct as n", "amount", "x as y"])
keys = st.lists(COLUMNS, max_size=3).map(",".join)
steps = st.one_of(
    conditions.map(lambda condition: f"filter({condition})"),
    keys.map(lambda columns: f"groupby(({columns}))"),
    st.builds(lambda columns, figure: f"groupby(({columns}),aggregate({figure}))", keys, figures),
    st.lists(figures, max_size=3).map(lambda some: f"aggregate({','.join(some)})"),
    st.sampled_from(["identity", "top(1)", "skip(1)", "orderby(n desc)", "concat(identity,top(1))", "search(a)", ""]),
)
SYSTEM = {
    "$apply": st.lists(steps, max_size=4).map("/".join) | st.text(st.sampled_from("()'/,:= agrouptesm"), max_size=25),
    "$filter": conditions | st.text(st.sampled_from("()'/,:= -+.aeqinot019TZ"), max_size=25),
    "$select": st.lists(COLUMNS, max_size=3).map(",".join) | VALUES,
    "$orderby": st.lists(COLUMNS, max_size=3).map(" desc,".join) | VALUES,
    "$top": st.integers(-1, 30).map(str) | VALUES,
    "$skip": st.integers(-1, 30).map(str) | VALUES,
    "$count": st.sampled_from(["true", "false", "1"]),
    "$format": st.sampled_from(["json", "xml", "application/json;odata.metadata=none", ""]),
    "$skiptoken": VALUES | st.binary(max_size=30).map(lambda data: data.hex()),
}


def test_all_options_are_tried() -> None:
    assert set(SYSTEM) == set(OPTIONS)


@settings(fuzz, max_examples=tries(100))
@given(table=st.sampled_from(["Users", "FinancialMovements", "ProgressiveJackpots", "Groups"]), condition=conditions)
def test_filters(table: str, condition: str, address: str) -> None:
    """Filters of all operators and functions, most of which compare what cannot be compared."""
    window = {"since": WINDOW["since"], "until": WINDOW["until"]} if table == "FinancialMovements" else {}
    answer = sent(address, "GET", f"/odata/{table}{query({**window, '$filter': condition, '$top': '5'})}", {})
    assert answer.status in (200, 400, 414)
    if answer.status == 400:
        assert description(answer) == "BAD_USER_INPUT"


@fuzz
@given(
    path=st.sampled_from(
        ["Users", "Users/$count", "Users('all.0000001')", "FinancialMovements", "FinancialMovements/$count"]
    )
    | VALUES.map(lambda text: f"FinancialMovements('{quote(text, safe='', errors='ignore')}')")
    | st.sampled_from(["", "$metadata", "group=382/Users", "group=382&x=1/Users", "%00", "Users(", "$batch"]),
    options=st.fixed_dictionaries({}, optional=SYSTEM).flatmap(
        lambda all: (
            st.sets(st.sampled_from(sorted(all)), max_size=3).map(lambda some: {name: all[name] for name in some})
            if all
            else st.just({})
        )
    ),
    given=headers,
    more=parameters,
)
def test_odata(path: str, options: dict[str, str], given: dict[str, str], more: dict[str, str], address: str) -> None:
    timed = "Financial" in path and not {"since", "until", "period"} & set(more)
    known = {"since": WINDOW["since"], "until": WINDOW["until"]} if timed else {}
    sent(address, "GET", f"/odata/{path}{query({**known, **options, **more})}", given)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.sampled_from(
    [
        "{ __typename }",
        'query ($a: ID!) { group(id: $a) { id name } }',
        "query ($a: [ID!]) { groups(ids: $a) { nodes { id } } }",
        "query ($a: Period) { users(first: 1) { nodes { transactions(during: $a) { totalCount } } } }",
        "query ($a: Int, $b: String) { users(first: $a, after: $b) { nodes { id nodeId } pageInfo { endCursor } } }",
        "query ($a: ID!) { node(id: $a) { id } }",
        "query ($a: [_Any!]!) { _entities(representations: $a) { __typename } }",
        "{ _service { sdl } }",
        "subscription { x }",
        "mutation { x }",
    ]
)  # fmt: skip
bodies = st.fixed_dictionaries(
    {},
    optional={
        "query": DOCUMENTS | anything,
        "variables": st.dictionaries(st.sampled_from("ab"), anything) | anything,
        "operationName": anything,
        "extensions": st.dictionaries(
            st.sampled_from(["trace", "maxCalls", "maxRows", "explain", "persistedQuery"]), anything
        )
        | anything,
    },
)


@settings(fuzz, max_examples=tries(100))
@given(
    body=bodies.map(lambda one: json.dumps(one).encode("utf-8", "surrogatepass")) | st.binary(max_size=60),
    given=headers,
    after=st.sampled_from([b"", b"", b"\0", b"}", b"\xff"]),
)
def test_graphql(body: bytes, given: dict[str, str], after: bytes, address: str) -> None:
    sent(address, "POST", "/graphql", {"Content-Type": "application/json", **given}, body + after)


@fuzz
@given(
    parameters=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("operationName", "variables", "extensions", "x"), VALUES)
        | {"query": DOCUMENTS | VALUES},
    ),
    method=st.sampled_from(["GET", "GET", "HEAD", "DELETE"]),
    given=headers,
)
def test_graphql_get(parameters: dict[str, str], method: str, given: dict[str, str], address: str) -> None:
    sent(address, method, f"/graphql{query(parameters)}", given)


@fuzz
@given(
    kind=st.sampled_from(["User", "Group", "GameLog", "Transaction", "Game", "Room", "x"]),
    parts=st.lists(anything, max_size=6),
)
def test_node_ids(kind: str, parts: list[Any], address: str) -> None:
    """Ids that do not exist, in the form of existing ones."""
    import base64

    text = json.dumps([kind, *parts]).encode("utf-8", "surrogatepass")
    forged = base64.urlsafe_b64encode(text).decode().rstrip("=")
    body = json.dumps({"query": "query ($a: ID!) { node(id: $a) { id } }", "variables": {"a": forged}}).encode()
    sent(address, "POST", "/graphql", {"Content-Type": "application/json"}, body)


OTHERS = [
    "/", "/healthz", "/readyz", "/metrics", "/explorer", "/explorer/queries.json", "/explorer/assets/x", "/tables",
    "/tables/Users", "/tables/Users/schema", "/tables/Users.csv/link", "/tables/page/x", "/reconcile", "/odata",
    "/favicon.ico", "//", "/%00", "/%ff", "/..%2f..%2fetc", "/tables/%2e%2e/schema",
]  # fmt: skip


@settings(fuzz, max_examples=tries(75))
@given(
    path=st.sampled_from(OTHERS) | VALUES.map(lambda text: "/" + quote(text, errors="ignore")),
    method=st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS", "TRACE", "PUT"]),
    given=headers,
    more=parameters,
    body=st.binary(max_size=30),
)
def test_other_routes(
    path: str, method: str, given: dict[str, str], more: dict[str, str], body: bytes, address: str
) -> None:
    sent(address, method, path + query(more), given, body if method in ("POST", "PUT") else b"")


@fuzz
@given(
    link=st.fixed_dictionaries({}, optional=dict.fromkeys(("_expires", "_key", "_signature", "group"), VALUES)),
    body=anything,
)
def test_links(link: dict[str, str], body: Any, address: str) -> None:
    sent(address, "GET", f"/tables/Users.csv{query(link)}", {})
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    for path in ("/tables/Users.csv/link", "/tables/Users/link"):
        sent(address, "POST", path + query(link), {"Content-Type": "application/json"}, content)


def test_it_is_alive_after_all(address: str) -> None:
    assert sent(address, "GET", "/healthz", {}).body == b'{"alive":true}'
