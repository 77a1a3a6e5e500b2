"""Requests that mean harm, or look like it: each with the status and the code of its answer.

Each stands as the bytes that go over the wire. A code of None is a request that is answered as any other.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
COMPLEX = "QUERY_TOO_COMPLEX"
INVALID = "GRAPHQL_VALIDATION_FAILED"
SYNTAX = "GRAPHQL_PARSE_FAILED"
INPUT = "BAD_USER_INPUT"
BAD = "BAD_REQUEST"
MISDIRECTED = "MISDIRECTED_REQUEST"
MEDIA = "UNSUPPORTED_MEDIA_TYPE"
UNKNOWN = "PERSISTED_QUERY_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and how it has to be answered."""

    name: str
    request: bytes
    status: int
    code: str | None


def http(method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request as bytes. A header of None is left out."""
    given = {"Host": "localhost", "Accept": RESPONSE_JSON, "Connection": "close", **(headers or {})}
    if body and "Content-Length" not in given and "Transfer-Encoding" not in given:
        given["Content-Length"] = str(len(body))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return head.encode("latin-1") + b"\r\n" + body


def body(content: bytes, kind: str = JSON, **headers: str) -> bytes:
    """A POST of a body."""
    return http("POST", "/graphql", {"Content-Type": kind, **headers}, content)


def ask(document: str, variables: Any = None, headers: dict[str, str] | None = None, **members: Any) -> bytes:
    """A POST of a document."""
    operation: dict[str, Any] = {"query": document, **members}
    if variables is not None:
        operation["variables"] = variables
    return body(json.dumps(operation).encode(), **(headers or {}))


def get(query_string: str, **headers: str) -> bytes:
    """A GET with these parameters."""
    return http("GET", f"/graphql?{query_string}", headers)


def times(count: int, text: str, between: str = " ") -> str:
    """A text, so many times, with its number where `#` stands."""
    return between.join(text.replace("#", str(number)) for number in range(count))


def doubling(depth: int) -> str:
    """Fragments that spread the next one twice: 2^depth fields, in a few letters."""
    chain = " ".join(f"fragment F{n} on Group {{ a: name ...F{n + 1} ...F{n + 1} }}" for n in range(depth))
    return f'{{ group(id: "1") {{ ...F0 }} }} {chain} fragment F{depth} on Group {{ id }}'


def deepening(depth: int) -> str:
    """Fragments that go two ways down to the next one."""
    chain = " ".join(
        f"fragment F{n} on Group {{ users {{ nodes {{ a: group {{ ...F{n + 1} }} b: group {{ ...F{n + 1} }} }} }} }}"
        for n in range(depth)
    )
    return f'{{ group(id: "1") {{ ...F0 }} }} {chain} fragment F{depth} on Group {{ id }}'


def nested(depth: int) -> str:
    """Groups of users of groups."""
    return '{ group(id: "1") { ' + "users { nodes { group { " * depth + "id" + " } } }" * depth + " } }"


def introspection(depth: int) -> str:
    """Types of fields of types."""
    return "{ __schema { types { " + "fields { type { " * depth + "name" + " } }" * depth + " } } }"


def of_types(depth: int) -> str:
    """Yield a list of a list of types."""
    return "{ __schema { types { " + "ofType { " * depth + "name" + " }" * depth + " } } }"


def entities(representations: Any) -> bytes:
    """A federation gateway's question."""
    return ask("query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }", {"r": representations})


SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.example"}
TYPENAME = "query=%7B__typename%7D"
IDS = "query ($ids: [ID!]) { groups(ids: $ids) { nodes { id } } }"
PERIODS = (
    'query ($p: Period) { group(id: "382") { users(first: 2) { nodes '
    "{ transactions(during: $p) { totalCount } gameLogs(during: $p) { totalCount } } } } }"
)
ONE = "query ($id: ID!) { group(id: $id) { id } }"
SHORT = b'{"query": "{ __typename }"}'
RAW = b"Host: localhost\r\nConnection: close\r\n"


def _documents() -> Iterator[tuple[str, bytes, int, str | None]]:
    many = times(150, 'a#: group(id: "1") { id }')
    yield "aliases", ask(f"{{ {times(101, 'a#: __typename')} }}"), 422, COMPLEX
    yield "aliases of a costly field", ask(f"{{ {many} }}"), 422, COMPLEX
    yield "aliases below", ask(f'{{ group(id: "1") {{ {times(101, "a#: name")} }} }}'), 422, COMPLEX
    yield (
        "aliases in a fragment spread often",
        ask(f'{{ group(id: "1") {{ {times(40, "...F")} }} }} fragment F on Group {{ a: id b: name c: type }}'),
        422,
        COMPLEX,
    )
    yield "root fields", ask(f"{{ {times(51, '__typename')} }}"), 422, COMPLEX
    yield (
        "root fields in fragments",
        ask(f"{{ {times(60, '...F')} }} fragment F on Query {{ __typename }}"),
        422,
        COMPLEX,
    )
    yield "root fields in inline fragments", ask(f"{{ {times(60, '... { __typename }')} }}"), 422, COMPLEX
    yield "tokens", ask(f"{{ {times(2001, 'a')} }}"), 422, COMPLEX
    yield "tokens of one list", ask(f"{{ groups(ids: [{times(2000, '1')}]) {{ nodes {{ id }} }} }}"), 422, COMPLEX
    yield "signs that are no document", ask("{" * 3000), 422, COMPLEX
    yield "letters", ask("{ __typename" + " " * 60_000 + "}"), 422, COMPLEX
    yield "a long name", ask("{ " + "a" * 20_000 + " }"), 422, INVALID
    yield "a very long name", ask("{ " + "a" * 60_000 + " }"), 422, COMPLEX
    yield "a long string", ask('{ group(id: "' + "1" * 20_000 + '") { id } }'), 200, INPUT
    yield "a long block string", ask('{ group(id: """' + " 1\n" * 6_500 + '""") { id } }'), 200, INPUT
    yield "a long comment", ask("#" * 20_000 + "\n{ __typename }"), 200, None
    yield "many comments", ask("#\n" * 2000 + "{ __typename }"), 422, COMPLEX
    yield "commas", ask("{ __typename " + "," * 20_000 + "}"), 200, None
    yield "depth", ask(nested(7)), 422, COMPLEX
    yield "great depth", ask(nested(60)), 422, COMPLEX
    yield "depth beyond the parser", ask(nested(90)), 422, COMPLEX
    yield "braces alone", ask("{ a" * 600), 422, COMPLEX
    yield (
        "depth by a chain of fragments",
        ask(
            '{ group(id: "1") { ...F0 } } '
            + " ".join(
                f"fragment F{n} on Group {{ users {{ nodes {{ group {{ ...F{n + 1} }} }} }} }}" for n in range(8)
            )
            + " fragment F8 on Group { id }"
        ),
        422,
        COMPLEX,
    )
    yield "inline fragments", ask('{ group(id: "1") { ' + "... { " * 150 + "id" + " }" * 150 + " } }"), 200, None
    yield (
        "inline fragments beyond",
        ask('{ group(id: "1") { ' + "... { " * 400 + "id" + " }" * 400 + " } }"),
        422,
        COMPLEX,
    )
    yield "a fragment bomb of depth 10", ask(doubling(10)), 422, COMPLEX
    yield "a fragment bomb of depth 30", ask(doubling(30)), 422, COMPLEX
    yield "a fragment bomb of depth 90", ask(doubling(90)), 422, COMPLEX
    yield "a deep fragment bomb of depth 30", ask(deepening(30)), 422, COMPLEX
    yield "spreads", ask(f'{{ group(id: "1") {{ {times(501, "...F")} }} }} fragment F on Group {{ id }}'), 422, COMPLEX
    yield (
        "a fragment that spreads itself",
        ask('{ group(id: "1") { ...F } } fragment F on Group { ...F }'),
        422,
        INVALID,
    )
    yield (
        "a ring of fragments",
        ask(
            '{ group(id: "1") { ...F0 } } '
            + " ".join(f"fragment F{n} on Group {{ id ...F{(n + 1) % 50} }}" for n in range(50))
        ),
        422,
        INVALID,
    )
    yield "a ring that nobody spreads", ask("{ __typename } fragment F on Group { ...F }"), 422, INVALID
    yield (
        "fragments that nobody spreads",
        ask("{ __typename } " + times(99, "fragment F# on Group { id }")),
        422,
        INVALID,
    )
    yield "definitions", ask(times(101, "query Q# { __typename }")), 422, COMPLEX
    yield "operations without a name", ask("{ __typename } { __typename }"), 422, INVALID
    yield (
        "operations of one name",
        ask("query A { __typename } query A { __typename }", operationName="A"),
        422,
        INVALID,
    )
    yield "an unknown fragment", ask('{ group(id: "1") { ...None } }'), 422, INVALID
    yield (
        "fragments of one name",
        ask('{ group(id: "1") { ...F } } ' + times(90, "fragment F on Group { id }")),
        422,
        INVALID,
    )
    yield "fields that overlap", ask('{ group(id: "1") { ' + times(400, "name") + " } }"), 422, COMPLEX
    yield (
        "fields that overlap below",
        ask('{ group(id: "1") { ' + times(190, "users { nodes { id } }") + " } }"),
        422,
        COMPLEX,
    )
    yield (
        "fragments that overlap",
        ask(f"{{ {times(45, '...F#')} }} {times(45, 'fragment F# on Query { groups { nodes { id name } } }')}"),
        422,
        COMPLEX,
    )
    yield (
        "overlaps that differ",
        ask('{ group(id: "1") { ' + times(40, "users(first: #) { nodes { id } }") + " } }"),
        422,
        INVALID,
    )
    yield "directives in one place", ask("{ __typename " + times(500, "@include(if: true)") + " }"), 422, COMPLEX
    yield "unknown directives", ask("{ __typename " + times(500, "@a#") + " }"), 422, COMPLEX
    yield "directives in all", ask("{ " + times(49, "__typename @skip(if: false) @a @b") + " }"), 422, COMPLEX
    yield "directives on an operation", ask("query " + times(50, "@a") + " { __typename }"), 422, COMPLEX
    yield "directives on variables", ask("query ($a: Int " + times(50, "@a") + ") { __typename }"), 422, COMPLEX
    yield "a directive twice", ask("{ __typename @skip(if: true) @skip(if: true) }"), 422, INVALID
    yield "unknown fields", ask("{ " + times(50, "none#") + " }"), 422, INVALID
    yield "unknown arguments", ask("{ group(" + times(100, "a#: 1") + ") { id } }"), 422, INVALID
    yield "lists in lists", ask("{ groups(ids: " + "[" * 190 + "]" * 190 + ") { nodes { id } } }"), 422, COMPLEX
    yield "lists in lists beyond", ask("{ groups(ids: " + "[" * 900 + "]" * 900 + ") { nodes { id } } }"), 422, COMPLEX
    yield (
        "objects in objects",
        ask("{ games(during: " + "{a: " * 150 + "1" + "}" * 150 + ") { nodes { id } } }"),
        422,
        COMPLEX,
    )
    yield (
        "a deep default",
        ask("query ($a: [ID] = " + "[" * 60 + "]" * 60 + ") { groups(ids: $a) { nodes { id } } }"),
        422,
        COMPLEX,
    )
    yield (
        "a deep type",
        ask("query ($a: " + "[" * 150 + "ID" + "]" * 150 + ") { groups(ids: $a) { nodes { id } } }"),
        422,
        INVALID,
    )
    yield "a deep type beyond", ask("query ($a: " + "[" * 900 + "ID" + "]" * 900 + ") { __typename }"), 422, COMPLEX
    yield "variables in the document", ask("query (" + times(400, "$a#: ID") + ") { __typename }"), 422, COMPLEX
    yield "deep introspection", ask(introspection(4)), 422, INVALID
    yield "deeper introspection", ask(introspection(40)), 422, COMPLEX
    yield "introspection of types of types", ask(of_types(40)), 422, COMPLEX
    yield "introspection by aliases", ask("{ " + times(101, "a#: __schema { types { name } }") + " }"), 422, COMPLEX
    yield "a huge integer", ask("{ groups(first: " + "9" * 40 + ") { nodes { id } } }"), 422, INVALID
    yield "an integer of 10,000 digits", ask("{ groups(first: " + "9" * 10_000 + ") { nodes { id } } }"), 422, INVALID
    yield "an id of 10,000 digits", ask("{ group(id: " + "9" * 10_000 + ") { id } }"), 200, INPUT
    yield "a huge float", ask("{ groups(first: 1e999) { nodes { id } } }"), 422, INVALID
    yield (
        "an integer of 10,000 digits where anything goes",
        ask('{ _entities(representations: [{__typename: "User", id: ' + "9" * 10_000 + "}]) { __typename } }"),
        200,
        INPUT,
    )
    yield "a null byte", ask("{ \x00 }"), 400, SYNTAX
    yield "control signs", ask("\x01\x02\x7f"), 400, SYNTAX
    yield "a sign beyond the first plane", ask("{ \U0001f3b1 }"), 400, SYNTAX
    yield "half a surrogate pair in a string", ask('{ group(id: "\\ud800") { id } }'), 400, SYNTAX
    yield "a surrogate by its number", ask('{ group(id: "\\u{d800}") { id } }'), 400, SYNTAX
    yield "a sign beyond Unicode", ask('{ group(id: "\\u{110000}") { id } }'), 400, SYNTAX
    yield "a string without an end", ask('{ group(id: "' + "a" * 10_000), 400, SYNTAX
    yield "right to left", ask('{ group(id: "\u202e1") { id } }'), 200, INPUT
    yield "a byte order mark in the document", ask("\ufeff{ __typename }"), 200, None
    yield "a type definition", ask("type Query { a: Int }"), 422, INVALID
    yield "a type definition beside a query", ask("{ __typename } type Query { a: Int }"), 422, INVALID
    yield "a mutation", ask("mutation { drop }"), 422, INVALID
    yield "a subscription", ask("subscription { ticks }"), 422, INVALID
    yield "no such operation", ask("query A { __typename }", operationName="B"), 422, "OPERATION_RESOLUTION_FAILURE"
    yield "an empty selection", ask('{ group(id: "1") { } }'), 200, None
    yield "a field of a reserved name", ask("{ __proto__ { a } }"), 422, INVALID


def _variables() -> Iterator[tuple[str, bytes, int, str | None]]:
    deep = b"[" * 500 + b"]" * 500
    yield (
        "a variable too deep",
        body(b'{"query": "{ __typename }", "variables": {"ids": ' + deep + b"}}"),
        422,
        COMPLEX,
    )
    yield (
        "extensions too deep",
        body(b'{"query": "{ __typename }", "extensions": {"a": ' + deep + b"}}"),
        422,
        COMPLEX,
    )
    yield "variables beyond the parser", body(b'{"query": "{ __typename }", "variables": ' + b"[" * 100_000), 400, BAD
    yield "many ids", ask(IDS, {"ids": ["1"] * 1001}), 200, INPUT
    yield "very many ids", ask(IDS, {"ids": ["1"] * 30_000}), 422, COMPLEX
    yield "many wrong ids", ask(IDS, {"ids": [{}] * 5000}), 422, INPUT
    yield "many unknown variables", ask("{ __typename }", {f"a{n}": n for n in range(10_000)}), 200, None
    yield "too many unknown variables", ask("{ __typename }", {f"a{n}": n for n in range(30_000)}), 422, COMPLEX
    yield "a long variable", ask(ONE, {"id": "1" * 500_000}), 200, INPUT
    yield "a variable that is an object", ask(ONE, {"id": {"$ne": 1}}), 422, INPUT
    yield "a variable that is a list", ask(ONE, {"id": ["1"]}), 422, INPUT
    yield "a variable that is left out", ask(ONE), 422, INPUT
    yield "a variable that is null", ask(ONE, {"id": None}), 422, INPUT
    yield "a variable that is true", ask(ONE, {"id": True}), 422, INPUT
    yield "an id beyond 64 bits", ask(ONE, {"id": 2**70}), 200, INPUT
    yield "an id with an injection", ask(ONE, {"id": "1' OR '1'='1"}), 200, INPUT
    yield "an id with a path", ask(ONE, {"id": "../../etc/passwd"}), 200, INPUT
    yield "an id with a parameter", ask(ONE, {"id": "1&report_type=api_users_report"}), 200, INPUT
    yield "an id with a line break", ask(ONE, {"id": "1\r\nX-Evil: 1"}), 200, INPUT
    yield "an id in other digits", ask(ONE, {"id": "٣٨٢"}), 200, INPUT
    yield "an id below zero", ask(ONE, {"id": "-1"}), 200, INPUT
    yield "a number out of range", body(b'{"query": "{ __typename }", "variables": {"a": 1e999}}'), 400, BAD
    yield (
        "a page size out of range",
        ask("query ($n: Int) { groups(first: $n) { nodes { id } } }", {"n": 2**31}),
        422,
        INPUT,
    )
    yield "a page size below zero", ask("{ groups(first: -1) { nodes { id } } }"), 200, INPUT
    yield "a page too large", ask("{ groups(first: 100000) { nodes { id } } }"), 200, INPUT
    yield "a cursor of somebody else", ask('{ groups(after: "AAAA") { nodes { id } } }'), 200, INPUT
    deep_cursor = base64.urlsafe_b64encode(b"[" * 5000).decode()
    yield (
        "a deep cursor",
        ask("query ($a: String) { groups(after: $a) { nodes { id } } }", {"a": deep_cursor}),
        200,
        INPUT,
    )
    yield "a deep nodeId", ask("query ($a: ID!) { node(nodeId: $a) { nodeId } }", {"a": deep_cursor}), 200, INPUT
    yield from _node_ids()
    period = "query ($p: Period) { games(during: $p) { nodes { id } } }"
    yield "an unknown frame", ask(period, {"p": {"frame": "FOREVER"}}), 422, INPUT
    yield "an unknown part of a period", ask(period, {"p": {"frame": "TODAY", "none": 1}}), 422, INPUT
    yield (
        "a period of two kinds",
        ask(period, {"p": {"frame": "TODAY", "dates": {"from": "2026-01-01", "to": "2026-01-02"}}}),
        422,
        INPUT,
    )
    yield "a date that is none", ask(period, {"p": {"dates": {"from": "2026-02-30", "to": "2026-03-01"}}}), 422, INPUT
    for name, first, last in (
        ("the first day of all", "0001-01-01", "0001-01-01"),
        ("the last day of all", "9999-12-31", "9999-12-31"),
        ("the last day but one", "9999-12-30", "9999-12-30"),
        ("all days", "0001-01-02", "9999-12-30"),
    ):
        yield f"{name} of games", ask(period, {"p": {"dates": {"from": first, "to": last}}}), 200, INPUT
        yield (
            f"{name} of users",
            ask(PERIODS, {"p": {"dates": {"from": first, "to": last}}}),
            200,
            INPUT,
        )
        yield (
            f"{name} in a plan",
            ask(PERIODS, {"p": {"dates": {"from": first, "to": last}}}, {"X-Graph-Explain": "1"}),
            200,
            INPUT,
        )
    yield (
        "a year of five digits",
        ask(period, {"p": {"dates": {"from": "12026-02-03", "to": "12026-03-01"}}}),
        422,
        INPUT,
    )
    yield "many representations", entities([{"__typename": "User", "id": "1"}] * 5001), 200, INPUT
    yield "representations of nothing", entities([{}, {"__typename": 1}, {"__typename": "Nobody", "id": 1}]), 200, INPUT
    yield "a representation that is nested", entities([{"__typename": "User", "id": {"a": [1]}}]), 200, INPUT
    yield "a representation that is a text", entities(["User"]), 200, INPUT


def _node_ids() -> Iterator[tuple[str, bytes, int, str | None]]:
    """Forged ids of entities that stand at an end of the calendar, or beyond it."""
    document = "query ($a: ID!) { node(nodeId: $a) { nodeId } }"
    for moment in ("253402300798000000", "253402300799000000", "253402300800000000", str(2**63 - 1)):
        for parts in (["GameLog", "1", moment, "", "x", "slot"], ["Transaction", "1", "60", "382", moment]):
            forged = base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")
            yield f"a forged nodeId of a {parts[0]} at {moment}", ask(document, {"a": forged}), 200, INPUT


def _json() -> Iterator[tuple[str, bytes, int, str | None]]:
    yield "no body", http("POST", "/graphql", {"Content-Type": JSON, "Content-Length": "0"}), 400, BAD
    yield "JSON cut off", body(b'{"query": "{ __type'), 400, BAD
    yield "JSON with more behind", body(SHORT + b"{}"), 400, BAD
    yield "NaN", body(b'{"query": "{ __typename }", "variables": {"a": NaN}}'), 400, BAD
    yield "infinity", body(b'{"query": "{ __typename }", "variables": {"a": -Infinity}}'), 400, BAD
    yield "a byte order mark", body(b"\xef\xbb\xbf" + SHORT), 400, BAD
    yield "UTF-16", body(SHORT.decode().encode("utf-16")), 400, BAD
    yield "Latin-1", body(b'{"query": "{ __typename } # \xe9"}'), 400, BAD
    yield "an overlong NUL", body(b'{"query": "\xc0\x80"}'), 400, BAD
    yield "half a surrogate pair", body(b'{"query": "{ __typename } # \\ud800"}'), 400, BAD
    yield "a comment in JSON", body(b'{"query": "{ __typename }" /* */}'), 400, BAD
    yield "single quotes", body(b"{'query': '{ __typename }'}"), 400, BAD
    yield "a member twice", body(b'{"query": "{ none }", "query": "{ __typename }"}'), 200, None
    yield "a number beyond any", body(b'{"query": "{ __typename }", "a": ' + b"9" * 100_000 + b"}"), 400, BAD
    yield "brackets", body(b"[" * 500_000), 400, BAD
    yield "braces", body(b'{"a":' * 100_000), 400, BAD
    yield "null", body(b"null"), 422, BAD
    yield "a number", body(b"1"), 422, BAD
    yield "a batch", body(b"[" + b",".join([SHORT] * 1000) + b"]"), 422, "BATCHING_NOT_SUPPORTED"
    yield "a query that is a list", body(b'{"query": ["{ __typename }"]}'), 422, BAD
    yield "a body over 1 MiB", body(b'{"query": "' + b" " * 1_048_600 + b'"}'), 413, "PAYLOAD_TOO_LARGE"
    yield "a length over 1 MiB", body(SHORT, **{"Content-Length": "99999999999"}), 413, "PAYLOAD_TOO_LARGE"
    yield (
        "an unknown document",
        ask("", extensions={"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}),
        200,
        "PERSISTED_QUERY_NOT_FOUND",
    )
    yield (
        "a document under a false name",
        ask("{ __typename }", extensions={"persistedQuery": {"sha256Hash": "0" * 64}}),
        400,
        BAD,
    )
    yield (
        "an unknown id of a document",
        body(b'{"documentId": "' + b"a" * 100_000 + b'"}'),
        422,
        "PERSISTED_QUERY_NOT_FOUND",
    )
    yield "an id of a document that is an object", body(b'{"documentId": {"$ne": 1}}'), 422, BAD
    yield (
        "an id of a document that is a path",
        body(b'{"documentId": "../../etc/passwd"}'),
        422,
        "PERSISTED_QUERY_NOT_FOUND",
    )
    yield "a document under the id of another", ask("{ __typename }", documentId="sha256:" + "0" * 64), 400, BAD
    yield "a name that is none", ask("", extensions={"persistedQuery": [1]}), 400, BAD


def _forms() -> Iterator[tuple[str, bytes, int, str | None]]:
    yield "a form", body(b"query=%7B__typename%7D", "application/x-www-form-urlencoded"), 415, MEDIA
    yield "a form as text", body(SHORT[:-1] + b', "a": "="}', "text/plain"), 415, MEDIA
    upload = b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n' + SHORT + b"\r\n--x--\r\n"
    yield "an upload", body(upload, "multipart/form-data; boundary=x"), 415, MEDIA
    yield "no content type", http("POST", "/graphql", {}, SHORT), 415, MEDIA
    yield "a type that begins like JSON", body(SHORT, "application/jsonp"), 415, MEDIA
    yield "a type with JSON in a parameter", body(SHORT, "text/plain; a=application/json"), 415, MEDIA
    yield "another charset", body(SHORT, "application/json; charset=utf-7"), 415, MEDIA
    yield "a packed body", body(b"\x1f\x8b" + b"\x00" * 50, **{"Content-Encoding": "gzip"}), 415, MEDIA
    yield "a GET from another site", get(TYPENAME, **SITE), 403, "CROSS_SITE"
    yield (
        "an image from another site",
        get(TYPENAME, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        403,
        "CROSS_SITE",
    )
    yield (
        "a link from another site",
        get(TYPENAME, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
        403,
        "CROSS_SITE",
    )
    yield "a GET from a neighbour", get(TYPENAME, **{"Sec-Fetch-Site": "same-site"}), 403, "CROSS_SITE"
    yield "a GET from an older browser", get(TYPENAME, Origin="https://evil.example"), 403, "CROSS_SITE"
    yield "a GET from nowhere", get(TYPENAME, Origin="null"), 403, "CROSS_SITE"
    yield "a GET from this page", get(TYPENAME, **{"Sec-Fetch-Site": "same-origin"}), 200, None
    yield "a GET after a preflight", get(TYPENAME, **SITE, **{"Apollo-Require-Preflight": "1"}), 200, None
    for path in ("/tables", "/tables/Groups.csv", "/odata/Groups", "/metrics", "/explorer/queries.json"):
        yield f"{path} from another site", http("GET", path, SITE), 403, "CROSS_SITE"
    yield "a link to be signed, from another site", http("POST", "/tables/Groups.csv/link", SITE), 403, "CROSS_SITE"
    yield "a mutation by GET", get("query=mutation%7Bdrop%7D"), 422, INVALID
    yield (
        "a preflight",
        http("OPTIONS", "/graphql", {**SITE, "Access-Control-Request-Method": "POST"}),
        405,
        "METHOD_NOT_ALLOWED",
    )


def _http() -> Iterator[tuple[str, bytes, int, str | None]]:
    yield "a parameter twice", get(f"{TYPENAME}&{TYPENAME}"), 400, BAD
    yield "a long address", get("query=" + "a" * 20_000), 414, "URI_TOO_LONG"
    yield "a very long address", get("query=" + "a" * 100_000), 414, "URI_TOO_LONG"
    yield "many parameters", get("&".join(["a=1"] * 200)), 400, BAD
    yield "bad percent signs", get("query=%zz%"), 400, SYNTAX
    yield "not UTF-8 in the address", get("query=%ff%fe"), 400, BAD
    yield "variables that are no JSON", get(TYPENAME + "&variables=%7B"), 400, BAD
    yield "deep variables in the address", get(TYPENAME + "&variables=" + "[" * 5000), 400, BAD
    yield "a large header", body(SHORT, **{"X-A": "a" * 40_000}), 431, "HEADERS_TOO_LARGE"
    yield "many headers", body(SHORT, **{f"X-{n}": "a" for n in range(20_000)}), 431, "HEADERS_TOO_LARGE"
    yield "no answer that it takes", body(SHORT, Accept="text/csv"), 406, "NOT_ACCEPTABLE"
    yield "a long Accept", body(SHORT, Accept=",".join(["a/b;q=0.1"] * 2000)), 406, "NOT_ACCEPTABLE"
    yield "many codings", body(SHORT, **{"Accept-Encoding": ",".join(["gzip;q=0.1"] * 2000)}), 200, None
    yield "an odd coding", body(SHORT, **{"Accept-Encoding": ";q=,*;q=nan,gzip;q=1e999,\xff"}), 200, None
    yield "an odd quality", body(SHORT, Accept="*/*;q=nan"), 406, "NOT_ACCEPTABLE"
    yield "an odd id", body(SHORT, **{"X-Request-Id": "a\tb" * 100}), 200, None
    yield "an odd bound", body(SHORT, **{"X-Graph-Max-Calls": "-1"}), 400, INPUT
    yield "a bound in other digits", body(SHORT, **{"X-Graph-Max-Calls": "\xb2"}), 400, INPUT
    yield "an odd trace", body(SHORT, **{"X-Graph-Trace": "yes"}), 400, INPUT
    yield (
        "a websocket",
        http(
            "GET",
            "/graphql",
            {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
        ),
        400,
        BAD,
    )
    yield "HTTP/2 on offer", body(SHORT, Connection="Upgrade, HTTP2-Settings", Upgrade="h2c"), 200, None
    yield "a header without a colon", b"POST /graphql HTTP/1.1\r\nHost graph\r\n\r\n", 400, BAD
    yield "a header in two lines", b"GET /graphql HTTP/1.1\r\n" + RAW + b"X-A: 1\r\n  2\r\n\r\n", 400, BAD
    yield (
        "two lengths",
        b"POST /graphql HTTP/1.1\r\n" + RAW + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        400,
        BAD,
    )
    yield (
        "a length and chunks",
        b"POST /graphql HTTP/1.1\r\n" + RAW + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        BAD,
    )
    yield "a length below zero", b"POST /graphql HTTP/1.1\r\n" + RAW + b"Content-Length: -1\r\n\r\n", 400, BAD
    yield (
        "a chunk that is none",
        b"POST /graphql HTTP/1.1\r\n"
        + RAW
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        400,
        BAD,
    )
    yield (
        "a chunk without end",
        b"POST /graphql HTTP/1.1\r\n"
        + RAW
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        400,
        BAD,
    )
    yield "no Host", b"GET /graphql?" + TYPENAME.encode() + b" HTTP/1.1\r\nConnection: close\r\n\r\n", 400, BAD
    yield "two hosts", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + RAW + b"\r\n", 400, BAD
    yield "no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, BAD
    yield "another version", b"GET / HTTP/9.9\r\n" + RAW + b"\r\n", 400, BAD
    yield "an unknown method", b"HACK /graphql HTTP/1.1\r\n" + RAW + b"\r\n", 400, BAD
    yield "a tunnel", b"CONNECT graph.test:443 HTTP/1.1\r\n" + RAW + b"\r\n", 400, BAD
    yield "a trace", http("TRACE", "/graphql"), 405, "METHOD_NOT_ALLOWED"
    yield "a deletion", http("DELETE", "/graphql"), 405, "METHOD_NOT_ALLOWED"
    yield "an address of somebody else", http("GET", "http://evil.example/graphql?" + TYPENAME), 421, MISDIRECTED
    yield "this server's address in full", http("GET", "http://localhost/graphql?" + TYPENAME), 200, None
    yield "a host of somebody else", get(TYPENAME, Host="evil.example"), 421, MISDIRECTED
    yield "a host that is none", get(TYPENAME, Host="a b"), 400, BAD
    yield "a path that climbs", http("GET", "/explorer/assets/../../../etc/passwd"), 404, "NOT_FOUND"
    yield (
        "a path that climbs in disguise",
        http("GET", "/explorer/assets/%2e%2e%2f%2e%2e%2fsettings.py"),
        404,
        "NOT_FOUND",
    )
    yield "a path with a NUL", http("GET", "/explorer/assets/%00"), 404, "NOT_FOUND"
    yield "a path that is not UTF-8", http("GET", "/%ff%fe"), 404, "NOT_FOUND"
    yield "a path of bytes", b"GET /\xff\xfe HTTP/1.1\r\n" + RAW + b"\r\n", 400, BAD
    yield "a path in many parts", http("GET", "/" + "a/" * 5000), 404, "NOT_FOUND"
    yield "a path with slashes in front", http("GET", "//evil.example/graphql"), 404, "NOT_FOUND"


CASES = [Case(*case) for group in (_documents, _variables, _json, _forms, _http) for case in group()]
