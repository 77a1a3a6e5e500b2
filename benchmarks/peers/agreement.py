"""The check before a measurement: all servers give the same answers, and make the same upstream calls."""

from collections import Counter
from collections.abc import Sequence

import orjson

from peers import load, servers, world
from peers.queries import Query
from peers.upstream import HOST, Upstream


async def data(server: servers.Running, body: bytes) -> tuple[bytes, int]:
    """The answer's `data`, written one way with its keys in their order, and the length of the whole body."""
    client = await load.connect(HOST, server.port)
    await client.ask(server.request(body))
    answer = orjson.loads(client.body)
    client.close()
    if not client.ok or answer.get("errors") or not answer.get("data"):
        raise AssertionError(f"{server.name}: {client.body[:1000]!r}")
    return orjson.dumps(answer["data"]), client.length


async def agree(
    found: Sequence[servers.Running], query: Query, worlds: Sequence[world.World], upstream: Upstream
) -> dict[str, list[load.Question]]:
    """The questions for each server, once all have answered them alike, with the calls that the query must make."""
    questions: dict[str, list[load.Question]] = {server.name: [] for server in found}
    for each in worlds:
        body, first = query.body(each), None
        for server in found:
            upstream.calls()
            answer, length = await data(server, body)
            check_calls(server.name, query, 1, upstream)
            if first is not None and answer != first:
                at = next(
                    (place for place, pair in enumerate(zip(answer, first, strict=False)) if pair[0] != pair[1]), 0
                )
                near = slice(max(0, at - 100), at + 100)
                raise AssertionError(f"{server.name} answers\n{answer[near]!r}, not\n{first[near]!r}")
            first = answer
            sent = server.request(body)
            questions[server.name].append(load.Question(sent, length))
    return questions


def check_calls(name: str, query: Query, answers: int, upstream: Upstream) -> None:
    """Raise AssertionError if a server made other calls than so many answers take, where that is known."""
    calls, due = upstream.calls(), Counter({report: count * answers for report, count in query.calls.items()})
    if query.fills_page and servers.SERVERS[name].looks_beyond:
        due["G1"] += answers
    if calls != due and servers.SERVERS[name].exact:
        raise AssertionError(f"{name} made the calls {dict(calls)} for {answers} answers, not {dict(due)}")
