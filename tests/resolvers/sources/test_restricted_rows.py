"""Random bad values in visible and in hidden rows: a restricted caller is answered as if whole rows had been decoded.

The answer from partial rows is compared with the answer of graphql-core from rows of which every column was decoded
before the hidden ones were left out. A bad value in a hidden row must not change an answer at all.
"""

import copy
import itertools
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from resolvers.caller import Caller
from resolvers.rules.join import Join, MovementJoin
from resolvers.session import Session
from server.execution.operation import Operation
from tests.executors import executor_of
from tests.schema.test_bad_values import DAY, LISTED, NOW, TYPES, UTC, Case, Stand, standing
from tests.schema.test_random_bad_values import VALUES, told
from tests.upstream.server import ReceivedRequest, Reply
from upstream import call
from upstream.decoding import partial_rows
from upstream.decoding.veiled_rows import veiled

# User 8 belongs to a hidden group. Nobody knows the user of the code `dan`.
USERS = [
    {"id": 9, "external_user_id": "u", "username": "ana", "group_id": 382, "external_group_id": "g"},
    {"id": 10, "external_user_id": "v", "username": "cleo", "group_id": 382, "external_group_id": "g"},
    {"id": 8, "external_user_id": "w", "username": "bob", "group_id": 383, "external_group_id": "h"},
]
ANA = {"user_id": 9, "username": "ana", "external_user_id": "u", "external_group_id": "g"}
BOB = {"user_id": 8, "username": "bob", "external_user_id": "w"}
THERE = {"group_id": 383, "group_name": "There", "external_group_id": "h"}


@dataclass(frozen=True)
class Owners:
    """Describe how rows of a report name their owner, and the columns that decide about rows and that identify them.

    A row of one of the `hidden` forms is left out. A row of one of the `veiled` forms is shown without its user.
    """

    visible: list[dict[str, Any]]
    hidden: list[dict[str, Any]] = field(default_factory=list)
    veiled: list[dict[str, Any]] = field(default_factory=list)
    deciding: frozenset[str] = frozenset()


def owners(visible: list[Any], hidden: list[Any] | None = None, veiled: list[Any] | None = None) -> Owners:
    every = [*visible, *(hidden or []), *(veiled or [])]
    deciding = frozenset(name for each in every for name in each if name not in ("username", "group_name", "fkgroup"))
    return Owners(visible, hidden or [], veiled or [], deciding)


OWNERS = {
    "R1": owners([{}, {"group_id": None}]),
    "R2": owners([{}]),
    "R5": owners(
        [ANA, ANA | {"user_id": ""}, {**ANA, "group_id": 0}],
        veiled=[BOB, BOB | {"user_id": None}, BOB | {"external_user_id": 0}],
    ),
    "R7": owners([{}, {"group_id": "382"}], [THERE, THERE | {"group_id": 0}]),
    "R9": owners([{}, {"external_group_id": "g"}], [{"group_id": 383, "fkgroup": "There", "username": "bob"}]),
    "R11": owners([ANA], [ANA | THERE, BOB | THERE, {"group_id": None, "external_group_id": None}], [BOB]),
    "G1": owners([{}, {"user_code": "ana"}, {"user_code": "cleo"}], [{"user_code": "bob"}, {"user_code": "dan"}]),
}
MANY = {
    "R7": f"""{{ users(groupId: 382) {{ nodes {{
      id transactions({DAY}, first: 1000) {{ totalCount nodes {{ … }} }} }} }} }}""",
    "R5": f"""{{ users(groupId: 382) {{ nodes {{
      id transactions({DAY}, inGroup: "382", first: 1000) {{ totalCount nodes {{ … }} }} }} }} }}""",
    "G1": f"""{{ users(groupId: 382) {{ nodes {{
      id gameLogs({DAY}, first: 1000) {{ totalCount nodes {{ … }} }} }} }} }}""",
}
# The fields of one user's transactions have no user.
SELECTED = {"R5": ("type", "currency_amount", "ticket_id", "game_id")}
NEVER_PARTIAL = ("R1", "R2")
AMOUNT = re.compile("amount|money|balance|total_|wagered|paid")
FEW, MOST = frozenset({382}), frozenset({382, *range(900, 910)})


def reply(stand: Stand, request: ReceivedRequest) -> Reply:
    """Return the rows of a call, as an upstream selects them."""
    if request.method == "POST":
        code = json.loads(request.body).get("user_code")
        rows = [row for row in stand.rows.get("G1", []) if code in (None, row.get("user_code"))]
        return Reply({"status": 1, "total_count": len(rows), "page": 0, "perPage": 10_000, "slot": rows})
    report = next(code for code, name in TYPES.items() if name == request.query["report_type"])
    rows = stand.rows.get(report, {"R8": [{"id": 382, "name": "Here"}], "R9": USERS}.get(report, []))
    for name, column in (("fkgroup", "group_id"), ("id", "id")):
        if report == "R9" and name in request.query:
            rows = [row for row in rows if str(row.get(column)) == request.query[name]]
    return Reply({"error": False, "report": rows})


async def asked(stand: Stand, query: str, groups: frozenset[int], *, compiled: bool, whole: bool) -> tuple[Any, ...]:
    """Return the answer, its errors, and what the trace says of the calls."""
    join = Join(MovementJoin.TRUST)
    caller = Caller("partner", groups)
    session = Session(stand.cached, UTC, now=NOW, whole=whole, caller=caller, join=join)
    outcome = await executor_of(lambda operation: session, compiled=compiled).run(Operation(query))
    steps = Counter((step.call.key, step.way, step.rows, step.outcome, step.error) for step in session.steps)
    session.close()
    return outcome.data, outcome.errors, steps


def drawn_rows(case: Case, drawn: random.Random) -> tuple[list[dict[str, Any]], set[int]]:
    """Return good rows of several owners, and the places of the rows that are hidden."""
    forms, hidden = OWNERS[case.report], set()
    rows = [dict.fromkeys(forms.deciding) | row for row in case.rows(drawn.choice([3, 10, 30]))]
    every = drawn.random() < 0.3  # all are visible
    for place, row in enumerate(rows):
        kinds = [forms.visible, forms.veiled or forms.visible, forms.hidden or forms.visible]
        kind = forms.visible if every else drawn.choice(kinds)
        row.update(drawn.choice(kind))
        if kind is forms.hidden:
            hidden.add(place)
    return rows, hidden


def spoiled(rows: list[dict[str, Any]], columns: list[str], drawn: random.Random) -> None:
    """Make values of these rows bad, or odd. Partial rows can hold bad amounts."""
    amounts = [name for name in columns if AMOUNT.search(name)]
    for _ in range(drawn.choice([0, 0, 1, 1, 2, 5]) if rows else 0):
        column, row = drawn.choice(drawn.choice([columns, amounts or columns])), drawn.choice(rows)
        if drawn.random() < 0.05:
            row.pop(column, None)
        else:
            row[column] = drawn.choice(VALUES)


@pytest.mark.parametrize("report", OWNERS)
async def test_an_answer_is_that_of_whole_rows_and_hidden_rows_do_not_matter(
    report: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, drawn, seen = LISTED[report], random.Random(f"restricted {report}"), Counter[str]()

    def counted(rows: Any, places: Any = None, *hidden: Any) -> Any:
        seen["partial"] += 1
        seen["partly visible"] += places is not None
        return veiled(rows, places, *hidden)

    monkeypatch.setattr(call, "veiled", counted)
    async with standing("off", tmp_path) as stand:
        stand.server.reply = lambda request: reply(stand, request)
        for _ in range(25):
            many = report in MANY and drawn.random() < 0.5
            named = sorted(SELECTED.get(report, case.columns) if many else case.columns)
            columns = drawn.sample(named, drawn.randint(1, min(4, len(named))))
            fields = " ".join(case.columns[name] for name in columns)
            query = MANY[report].replace("…", f"id {fields}") if many else case.query(fields)
            groups, whole = drawn.choice([FEW, MOST]), drawn.random() < 0.3
            nullable = all(name in case.nullable for name in columns)
            rows, hidden = drawn_rows(case, drawn)
            spoiled([row for place, row in enumerate(rows) if place not in hidden], sorted(case.row), drawn)
            outcomes = []
            for spoil in (False, True):
                if spoil and not hidden:
                    break
                stand.rows[report] = rows = copy.deepcopy(rows)
                if spoil:
                    free = sorted(case.row.keys() - case.keys - OWNERS[report].deciding)
                    spoiled([rows[place] for place in hidden], free, drawn)
                monkeypatch.setattr(partial_rows, "_LONG_ANSWER", 1 << 30)
                expected, errors, steps = await asked(stand, query, groups, compiled=False, whole=whole)
                for compiled, longest in itertools.product((True, False), (0, 16_384)):
                    monkeypatch.setattr(partial_rows, "_LONG_ANSWER", longest)
                    data, others, made = await asked(stand, query, groups, compiled=compiled, whole=whole)
                    assert data == expected, (rows, query)
                    assert told(others) == told(errors) if nullable else bool(others) == bool(errors), (rows, query)
                    assert made == steps, (rows, query)
                outcomes.append((expected, told(errors), steps))
                text = repr((expected, told(errors)))
                assert not hidden or not any(word in text for word in ("bob", "dan", "There", "383")), text
                assert all(", row " not in error["message"] for error in errors)
                seen["errors" if errors else "clean"] += 1
            assert len(outcomes) < 2 or outcomes[0] == outcomes[1], (rows, query)
            seen["hidden" if hidden else "all seen"] += 1
    assert min(seen["errors"], seen["clean"], seen["all seen"]) > 2, seen
    assert seen["partial"] > 5 or report in NEVER_PARTIAL, seen
    assert min(seen["hidden"], seen["partly visible"]) > 2 or not OWNERS[report].hidden, seen
