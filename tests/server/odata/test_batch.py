"""`$batch`: parts in both forms, in their order, each a request of its own, and what is refused."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.key import Rates
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.auth.limiter import Limiter
from server.odata import batch
from tests.effort import tries
from tests.server.serving import code_of
from tests.server.tables.conftest import Library, lending

CRLF = "\r\n"


def part(line: str, *headers: str, about: str = "") -> str:
    """A part of a message in several parts, as UI5's model writes it."""
    head = f"Content-Type:application/http{CRLF}Content-Transfer-Encoding:binary{CRLF}{about}"
    return f"{head}{CRLF}{line} HTTP/1.1{CRLF}{''.join(f'{one}{CRLF}' for one in headers)}{CRLF}"


def message(*parts: str, boundary: str = "batch_id-1") -> str:
    """A batch of parts."""
    return "".join(f"--{boundary}{CRLF}{one}{CRLF}" for one in parts) + f"--{boundary}--{CRLF}"


def sent(client: httpx.Client, body: str, path: str = "/odata/$batch", **headers: str) -> httpx.Response:
    kind = {"content-type": "multipart/mixed; boundary=batch_id-1", "accept": "multipart/mixed", **headers}
    return client.post(path, content=body.encode(), headers=kind)


def split(answer: httpx.Response) -> list[tuple[int, dict[str, str], str]]:
    """The status, the headers and the body of each part, read as UI5 reads them."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["odata-version"] == "4.0"
    mark = answer.headers["content-type"].partition("boundary=")[2]
    pieces = re.split(f"--{mark}-{{0,2}} *\r\n", answer.text)[1:-1]
    found = []
    for piece in pieces:
        about, head, body = piece.split(CRLF * 2)
        status, *lines = head.split(CRLF)
        named = dict(line.split(": ", 1) for line in (*about.split(CRLF), *lines))
        found.append((int(status.split(" ")[1]), named, body[:-2]))
    return found


def test_parts_of_a_message(open_library: Library) -> None:
    """The requests that UI5's model sends for a table: its rows, their number, and one row."""
    accept = "Accept:application/json;odata.metadata=minimal;IEEE754Compatible=true"
    more = ("Accept-Language:en", "Content-Type:application/json;charset=UTF-8;IEEE754Compatible=true")
    body = message(
        part("GET Books?$count=true&$select=id,price&$filter=price%20gt%2040&$skip=0&$top=110", accept, *more),
        part(f"GET {open_library.address}/odata/Books/$count?$filter=price gt 10", about=f"Content-ID: 7.1{CRLF}"),
        part("GET /odata/Loans('2026-03-06.0000003')", accept),
        part("GET Books?$apply=groupby((cover),aggregate(price%20with%20sum%20as%20total))", accept),
    )
    rows, number, one, totals = split(sent(open_library.client, body))
    assert rows[0] == number[0] == one[0] == totals[0] == 200
    assert orjson.loads(rows[2]) == {
        "@odata.context": f"{open_library.address}/odata/$metadata#Books(id,price)",
        "@odata.count": 3,
        "value": [{"id": "9", "price": "45.00"}, {"id": "10", "price": "50.00"}, {"id": "12", "price": "60.00"}],
    }
    assert (number[1]["Content-ID"], number[2]) == ("7.1", "7")
    assert orjson.loads(one[2])["id"] == "3"
    assert [row["total"] for row in orjson.loads(totals[2])["value"]] == ["160.00", "100.00", None]
    direct = open_library.client.get("/odata/Books?$select=id", headers={"accept-encoding": "identity"})
    (alone,) = split(sent(open_library.client, message(part("GET Books?$select=id"))))
    assert alone[2] == direct.text
    assert alone[1]["etag"] == direct.headers["etag"]
    (known,) = split(
        sent(open_library.client, message(part("GET Books?$select=id", f"If-None-Match: {alone[1]['etag']}")))
    )
    assert (known[0], known[2]) == (304, "")


def test_lines_that_end_without_a_carriage_return(open_library: Library) -> None:
    """A batch as it is written by hand into curl, or by Postman."""
    body = message(part("GET Books/$count"), part("GET $metadata")).replace(CRLF, "\n")
    assert [one[0] for one in split(sent(open_library.client, f"a preamble\n{body}an epilogue"))] == [200, 200]


def test_parts_in_json(open_library: Library) -> None:
    requests = [
        {"id": "1", "method": "get", "url": "Books?$select=price&$top=2"},
        {"id": "2", "method": "GET", "url": "/odata/Books/$count", "headers": {"Accept": "*/*"}, "dependsOn": ["1"]},
        {"id": "3", "method": "GET", "url": f"{open_library.address}/odata/Shelves/$count"},
    ]  # fmt: skip
    answer = open_library.client.post("/odata/count=5&price=0.1000000001/$batch", json={"requests": requests})
    assert answer.headers["content-type"] == "application/json"
    assert '"price":0.1000000001}' in answer.text  # the digits of the part itself
    found = answer.json()["responses"]
    assert [(one["id"], one["status"]) for one in found] == [("1", 200), ("2", 200), ("3", 200)]
    root = f"{open_library.address}/odata/count=5&price=0.1000000001"
    assert found[0]["body"]["@odata.context"] == f"{root}/$metadata#Books(price)"
    assert [one["body"] for one in found[1:]] == ["13", "6"]
    assert found[1]["headers"]["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("wish", ["", "odata.continue-on-error", "continue-on-error=true", "continue-on-error=false"])
def test_a_failure_ends_the_batch_unless_the_client_goes_on(open_library: Library, wish: str) -> None:
    goes_on = wish in ("odata.continue-on-error", "continue-on-error=true")
    parts = [part("GET Books/$count"), part("GET Nothing"), part("GET Books/$count")]
    answer = sent(open_library.client, message(*parts), **({"prefer": wish} if wish else {}))
    found = split(answer)
    assert [one[0] for one in found] == ([200, 404, 200] if goes_on else [200, 404])
    assert orjson.loads(found[1][2])["error"]["code"] == "NOT_FOUND"
    assert found[1][1]["odata-version"] == "4.0"
    assert answer.headers.get("preference-applied") == ("continue-on-error" if goes_on else None)
    requests: list[dict[str, Any]] = [
        {"id": "a", "method": "GET", "url": "Nothing"},
        {"id": "b", "method": "GET", "url": "Books/$count", "dependsOn": ["a"]},
        {"id": "c", "method": "GET", "url": "Books/$count"},
    ]
    headers = {"prefer": wish} if wish else {}
    answer = open_library.client.post("/odata/$batch", json={"requests": requests}, headers=headers)
    assert [one["status"] for one in answer.json()["responses"]] == ([404, 424, 200] if goes_on else [404])


CHANGES = f"Content-Type: multipart/mixed; boundary=changeset_1{CRLF}{CRLF}" + message(
    part("PATCH Books('1')", "Content-Type: application/json"), boundary="changeset_1"
)


@pytest.mark.parametrize(
    ("one", "status", "says"),
    [
        (CHANGES, 405, "A batch only reads: it has no change sets and no atomicity groups."),
        (part("DELETE Books('1')"), 405, "A batch only reads: DELETE is not GET."),
        (part("HEAD Books"), 405, "A batch only reads: HEAD is not GET."),
        (part("GET http://elsewhere/odata/Books"), 400, "A part names another server, 'elsewhere'"),
        (part("GET /graphql?query={a}"), 404, "A part of a batch reads below /odata, and '/graphql' is not."),
        (part("GET /tables"), 404, "reads below /odata"),
        (part("GET ../metrics"), 404, "There is no '../metrics' here"),
        (part("GET $batch"), 404, "There is no '$batch' here"),
        (part("GET $1/Books"), 404, "There is no '$1/Books' here"),
        (
            "Content-Type: application/http\r\n\r\nnonsense\r\n",
            400,
            "A part begins with 'nonsense', and not with GET URL HTTP/1.1.",
        ),
        ("Content-Type: text/plain\r\n\r\nGET Books HTTP/1.1\r\n", 400, "has Content-Type: application/http."),
        (part("GET Books?$top=x"), 400, "$top is 'x'"),
        (part("GET Books", "OData-MaxVersion: 3.0"), 400, "OData-MaxVersion rules out"),
    ],
)
def test_a_part_that_is_refused(open_library: Library, one: str, status: int, says: str) -> None:
    (found,) = split(sent(open_library.client, message(one)))
    assert found[0] == status, found
    error = orjson.loads(found[2])["error"]
    assert set(error) == {"code", "message"}
    assert says in error["message"]
    assert found[1]["odata-version"] == "4.0"


REQUEST = {"id": "1", "method": "GET", "url": "Books/$count"}


@pytest.mark.parametrize(
    ("content", "kind", "status", "says"),
    [
        (b"", "multipart/mixed", 415, "multipart/mixed with a boundary, or as application/json"),
        (b"", "text/plain", 415, "multipart/mixed with a boundary"),
        (b"", "multipart/mixed; boundary=a", 400, "The batch has no end"),
        (b"--a--", "multipart/mixed; boundary=a", 400, "The batch has no parts."),
        (b"--a\r\n\r\n", "multipart/mixed;boundary=a", 400, "The batch has no end"),
        (b"{", "application/json", 400, "The batch is not JSON"),
        (b"[]", "application/json", 400, "A batch in JSON is"),
        (b'{"requests": []}', "application/json;charset=utf-8", 400, "A batch in JSON is"),
        ({"requests": [{"id": "1", "method": "GET"}]}, "application/json", 400, "the texts id, method and url"),
        ({"requests": [REQUEST, REQUEST]}, "application/json", 400, "Two parts of the batch have the id '1'."),
        ({"requests": [{**REQUEST, "dependsOn": ["2"]}]}, "application/json", 400, "does not stand before it"),
        ({"requests": [{**REQUEST, "headers": {"a": "b\r\nc: d"}}]}, "application/json", 400, "each a line"),
        ({"requests": [{**REQUEST, "headers": ["a"]}]}, "application/json", 400, "are an object of texts"),
        ({"requests": [REQUEST] * 101}, "application/json", 400, "A batch has at most 100 parts."),
        (message(*[part("GET Books/$count")] * 101).encode(), "multipart/mixed; boundary=batch_id-1", 400, "100 parts"),
        (b"x" * (2**20 + 1), "application/json", 413, "larger than 1048576 bytes"),
    ],
)
def test_a_batch_that_is_refused(open_library: Library, content: Any, kind: str, status: int, says: str) -> None:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    answer = open_library.client.post("/odata/$batch", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert code_of(answer)
    assert says in answer.json()["error"]["message"]


def test_groups_and_conditions_in_json_are_refused(open_library: Library) -> None:
    for more, status in (({"atomicityGroup": "g"}, 405), ({"if": "$1/status eq 200"}, 400)):
        answer = open_library.client.post("/odata/$batch", json={"requests": [{**REQUEST, **more}]})
        assert [one["status"] for one in answer.json()["responses"]] == [status]
    packed = open_library.client.post(
        "/odata/$batch", content=b"x", headers={"content-encoding": "gzip", "content-type": "application/json"}
    )
    assert (packed.status_code, code_of(packed)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[tuple[Library, str, str]]:
    """The library behind keys: one that may read tables three times a minute, and one that may not."""
    file = KeyFile(tmp_path / "keys.sqlite")
    _, reader = file.create(Caller("reader", None, frozenset({"tables"})))
    _, other = file.create(Caller("other", None, frozenset({"explore"})))
    callers = Authenticator(required=True, keys=Keys(file.path), limiter=Limiter(Rates(4, None)))
    with lending(tmp_path / "spool", {"authenticator": callers}) as library:
        yield library, reader, other


def test_each_part_has_its_own_authentication_and_limits(closed: tuple[Library, str, str]) -> None:
    library, reader, other = closed
    count = part("GET Books/$count")
    assert code_of(sent(library.client, message(count))) == "UNAUTHENTICATED"
    assert code_of(sent(library.client, message(count), **{"x-api-key": other})) == "FORBIDDEN"
    going = {"x-api-key": reader, "prefer": "odata.continue-on-error"}
    theirs = [part("GET Books/$count", f"X-Api-Key: {key}") for key in (other, "wrong")]
    found = split(sent(library.client, message(count, *theirs, count, count, count), **going))
    # The batch and each part of its caller count: the fifth request is one too many.
    assert [one[0] for one in found] == [200, 403, 401, 200, 200, 429]
    assert code_of(sent(library.client, message(count), **going)) == "TOO_MANY_REQUESTS"


def test_a_batch_takes_one_place_among_the_running_requests(tmp_path: Path) -> None:
    """Its parts wait for no other place: many batches at once do not wait for each other for ever."""
    with lending(tmp_path, {"most_running": 1, "most_waiting": 50}) as library:

        async def many() -> list[httpx.Response]:
            async with httpx.AsyncClient(base_url=library.address, trust_env=False, timeout=30) as client:
                requests = [{"id": str(number), "method": "GET", "url": "Books/$count"} for number in range(5)]
                sending = (client.post("/odata/$batch", json={"requests": requests}) for _ in range(8))
                return await asyncio.gather(*sending)

        for answer in asyncio.run(many()):
            assert [one["status"] for one in answer.json()["responses"]] == [200] * 5


def test_each_part_has_a_line_in_the_log(open_library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    body = message(part("GET Books/$count?$filter=id eq 'secret'", "X-Request-Id: mine"), part("GET Nothing"))
    first, second = split(sent(open_library.client, body, **{"x-request-id": "outer"}))
    assert first[1]["x-request-id"] == "mine"
    assert second[1]["x-request-id"] not in ("mine", "outer")
    lines: list[str] = []
    for _ in range(100):  # the line of the batch follows its answer
        lines += [line for line in capsys.readouterr().out.splitlines() if "path=/odata" in line]
        if len(lines) == 3:
            break
        time.sleep(0.05)
    assert [re.search(r"path=(\S+) .*?request=(\S+) .*?status=(\d+)", line).groups() for line in lines] == [
        ("/odata/Books/$count", "mine", "200"),
        ("/odata/Nothing", second[1]["x-request-id"], "404"),
        ("/odata/$batch", "outer", "200"),
    ]
    assert "secret" not in "".join(lines)


def test_a_batch_ends_with_its_client(open_library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = ended = 0

    async def slow(*given: Any) -> Response:
        nonlocal begun, ended
        begun += 1
        await asyncio.sleep(0.05)
        ended += 1
        return Response("1")

    monkeypatch.setattr("server.odata.answers.Entities.count", slow)
    body = message(*[part("GET Books/$count")] * 100)
    kind = {"content-type": "multipart/mixed; boundary=batch_id-1"}
    with open_library.client.stream("POST", "/odata/$batch", content=body, headers=kind) as answer:
        next(answer.iter_raw())
    time.sleep(0.5)  # the client has closed the connection
    known = begun
    time.sleep(0.5)
    assert begun == known < 100
    assert ended <= begun


def test_a_part_that_fails_is_an_answer(open_library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any, **more: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("server.odata.edm.service", broken)
    (fault,) = split(sent(open_library.client, message(part("GET /odata/"))))
    assert (fault[0], orjson.loads(fault[2])["error"]["code"]) == (500, "INTERNAL_SERVER_ERROR")


PIECES = (
    "--b", "--b--", "\r\n", "\n", "\r\n\r\n", "Content-Type: application/http",
    "Content-Type: multipart/mixed;boundary=b", "GET Books/$count HTTP/1.1", "GET Books", "POST Books HTTP/1.1",
    "X-Api-Key: a", ": ", "GET", " ", "\0", "é", "Content-ID: 1", "GET //elsewhere/odata HTTP/1.1",
    "GET http:// HTTP/1.1", "GET ?$top=1 HTTP/1.1", "GET # HTTP/1.1", "GET %zz%ff HTTP/1.1",
)  # fmt: skip
objects = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.sampled_from(["GET", "Books/$count", "1"])
    ),
    lambda part: st.one_of(
        st.lists(part, max_size=3),
        st.dictionaries(st.sampled_from(["requests", "id", "method", "url", "headers", "dependsOn", "if"]), part),
    ),
    max_leaves=20,
)
FUZZ = settings(max_examples=tries(75), deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=30).map("".join).map(str.encode)))
def test_any_message(open_library: Library, body: bytes) -> None:
    kind = {"content-type": "multipart/mixed; boundary=b", "prefer": "continue-on-error"}
    answer = open_library.client.post("/odata/$batch", content=body, headers=kind)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        assert all(status < 500 for status, _, _ in split(answer))
    else:
        assert code_of(answer) == "BAD_REQUEST"


@FUZZ
@given(objects, st.lists(objects, min_size=1, max_size=3))
def test_any_object(open_library: Library, whole: Any, parts: list[Any]) -> None:
    for given_ in (
        whole,
        {"requests": whole},
        {"requests": [{"id": "1", "method": "GET", "url": one} for one in parts]},
    ):
        headers = {"prefer": "continue-on-error", "content-type": "application/json"}
        answer = open_library.client.post("/odata/$batch", content=json.dumps(given_).encode(), headers=headers)
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 200:
            assert all(one["status"] < 500 for one in answer.json()["responses"])


def test_the_number_of_parts_is_documented() -> None:
    assert str(batch.MOST_PARTS) in Path("docs/how-to/bi-tools.md").read_text()
