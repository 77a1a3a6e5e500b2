"""A caller of some groups sees what everybody sees, less what belongs to others: filtered by hand, it is the same."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from resolvers.caller import EVERYONE
from tests.audience import Audience, of_groups
from tests.stand import Sandbox

# Of group 383 user 2054 is a guest in 385, and user 2014 of group 382 is a guest in 383.
GROUP, MEMBERS = 383, ("2051", "2052", "2053", "2054")
GUEST, AWAY = "2014", "2054"
PARTNER = of_groups(GROUP)

PERSON = "{ __typename id username externalId group { __typename id name } }"
PLACE = "{ __typename id name externalId }"
WINNER = f"{{ __typename username cardId ticketId amount user {PERSON} group {PLACE} }}"
TICKET = f"""{{ __typename id cards {{ id numbers }} wins {{ cardId prizes {{ id amount }} }} sellerGroup {PLACE}
  soldBy {{ user {PERSON} group {PLACE} }} paidBy {{ user {PERSON} group {PLACE} }} }}"""
MOVEMENT = f"{{ __typename id timestamp type amount ticketId game {{ id }} group {PLACE} user {PERSON} }}"
WHOLE = {
    "groups": f"{{ groups {{ totalCount nodes {PLACE} }} }}",
    "users": f"{{ users(first: 1000) {{ totalCount nodes {PERSON} }} }}",
    "search": f'{{ users(username: "e") {{ totalCount nodes {PERSON} }} }}',
    "users by ids": f'{{ users(ids: ["2001", "2051", "2054", "2999"]) {{ totalCount nodes {PERSON} }} }}',
    "logs": f"""{{ gameLogs(first: 1000) {{ totalCount
      nodes {{ __typename id userCode bet win txnId createdAt agentEndBalance user {PERSON} }} }} }}""",
    "financial": f"""{{ financialMovements(first: 1000, during: {{between: {{from: "2026-03-15T11:00:00Z",
      until: "2026-03-15T12:00:00Z"}}}}) {{ totalCount
      nodes {{ __typename timestamp type subtype amount game {{ id }} group {PLACE} user {PERSON} }} }} }}""",
    "games": f"""{{ games(first: 1000) {{ totalCount
      nodes {{ id paid wagered cardsBought prizes {{ id name amount callNumber }} winners {WINNER} }} }} }}""",
    "details": f"""{{ rooms(during: {{between: {{from: "2026-03-15T11:00:00Z", until: "2026-03-15T11:30:00Z"}}}}) {{
      id games(during: {{between: {{from: "2026-03-15T11:00:00Z", until: "2026-03-15T11:30:00Z"}}}}) {{ totalCount
      nodes {{ id players profit jackpot {{ name winners {WINNER} }} tickets {TICKET}
        prizes {{ __typename id amount wonAtCard winners {WINNER} }} winners {WINNER} }} }} }} }}""",
    "group": f"""{{ group(id: "383") {{ id name users {{ totalCount nodes {PERSON} }}
      transactions(first: 1000) {{ totalCount nodes {MOVEMENT} }} dailyMovements {{ date totalWagers net }}
      financialMovements(first: 1000) {{ totalCount
        nodes {{ __typename amount user {PERSON} group {PLACE} }} }} }} }}""",
    "journeys": f"""{{ user(id: "{AWAY}") {{ id transactions(first: 1000) {{ totalCount
      nodes {{ __typename id amount currency ticketId group {PLACE} }} }} }} }}""",
    "elsewhere": f"""{{ user(id: "{AWAY}") {{ transactions(inGroup: "385") {{ totalCount
      nodes {{ __typename id group {PLACE} }} }} }} }}""",
    "jackpots": "{ progressiveJackpots { description value seed } rooms { id name } }",
    "entities": f"""{{ _entities(representations: [{{__typename: "User", id: "2001"}},
      {{__typename: "User", id: "2051"}}, {{__typename: "Group", id: "382"}}, {{__typename: "Group", id: "383"}},
      {{__typename: "Group", id: "999"}}, {{__typename: "User", id: "2014"}}]) {{
      ... on User {PERSON} ... on Group {PLACE} }} }}""",
}
GONE = object()
# Of each type what decides whether it is there: the group or the user that it names.
DECIDES: dict[str, tuple[str, ...]] = {
    "Transaction": ("group",),
    "FinancialMovement": ("group",),
    "Winner": ("user",),
    "Ticket": ("sellerGroup",),
    "GameLog": ("user",),
}


def by_hand(value: Any) -> Any:
    """An answer for everybody, less what belongs to others than group 383."""
    if isinstance(value, list):
        return [seen for item in value if (seen := by_hand(item)) is not GONE]
    if not isinstance(value, dict):
        return value
    kind = value.get("__typename")
    if kind == "Group" and value["id"] != str(GROUP):
        return GONE
    if kind == "User" and value["id"] not in MEMBERS:
        return GONE
    seen = {name: by_hand(item) for name, item in value.items()}
    if any(seen[name] is GONE for name in DECIDES.get(kind or "", ())):
        return GONE
    if kind == "Prize" and not seen["winners"]:
        seen["wonAtCard"] = None
    if "totalCount" in seen:
        seen["totalCount"] = len(seen["nodes"])
    return {name: None if item is GONE else item for name, item in seen.items()}


def entities_by_hand(value: Any) -> Any:
    """The same of entities: each keeps its place."""
    return [None if (seen := by_hand(item)) is GONE else seen for item in value]


@pytest.fixture
async def audience(sandbox: Sandbox) -> AsyncIterator[Audience]:
    async with Audience(sandbox) as audience:
        yield audience


@pytest.mark.parametrize("name", WHOLE)
async def test_it_is_what_everybody_sees_less_what_belongs_to_others(name: str, audience: Audience) -> None:
    everything = await audience.data(WHOLE[name])
    restricted = await audience.data(WHOLE[name], PARTNER)
    if name == "entities":
        assert restricted["_entities"] == entities_by_hand(everything["_entities"])
        assert [each and each["id"] for each in restricted["_entities"]] == [None, "2051", None, "383", None, None]
        return
    assert restricted == by_hand(everything)
    if name != "jackpots":
        assert restricted != everything, "everybody sees no more, so nothing was shown"


async def test_what_was_compared_holds_guests_on_both_sides(audience: Audience) -> None:
    movements = (await audience.data(WHOLE["group"], PARTNER))["group"]["transactions"]["nodes"]
    assert {each["user"] and each["user"]["id"] for each in movements} == {*MEMBERS, None}
    everything = (await audience.data(WHOLE["group"]))["group"]["transactions"]["nodes"]
    assert {each["user"]["id"] for each in everything} == {*MEMBERS, GUEST}
    away = (await audience.data(WHOLE["journeys"]))["user"]["transactions"]["nodes"]
    assert {each["group"]["id"] for each in away} == {"383", "385"}
    games = (await audience.data(WHOLE["games"], PARTNER))["games"]["nodes"]
    assert sum(len(game["winners"]) for game in games) > 0


async def test_the_order_of_callers_changes_nothing_though_they_share_a_cache(
    audience: Audience, sandbox: Sandbox
) -> None:
    query = WHOLE["games"]
    first = await audience.data(query, PARTNER)
    sandbox.reset()
    everything = await audience.data(query)
    calls = {call["report"] for call in sandbox.calls()}
    assert "api_bulk_games_report" not in calls, "the rows are those that were fetched for the partner"
    assert by_hand(everything) == first
    assert everything != first
    other = await audience.data(query, of_groups(382))
    assert await audience.data(query, PARTNER) == first
    assert other != first
    assert await audience.data(query) == everything


async def test_of_several_groups_it_sees_each_and_of_none_nothing(audience: Audience) -> None:
    query = "{ groups { nodes { id } } users(first: 1000) { totalCount } gameLogs { totalCount } games { totalCount } }"
    counted = await audience.data(query)
    one, two, none = [await audience.data(query, of_groups(*groups)) for groups in ((383,), (383, 384), ())]
    assert [each["id"] for each in two["groups"]["nodes"]] == ["383", "384"]
    assert [each["users"]["totalCount"] for each in (one, two, none)] == [4, 7, 0]
    assert one["gameLogs"]["totalCount"] < two["gameLogs"]["totalCount"] < counted["gameLogs"]["totalCount"]
    assert none["gameLogs"]["totalCount"] == 0
    assert none["groups"]["nodes"] == []
    assert none["games"] == counted["games"]
    gone = await audience.data(query, of_groups(383, 384, 777))
    assert gone == two, "a group that the upstream does not know has nothing"


async def test_many_groups_are_read_in_one_call_for_all(audience: Audience, sandbox: Sandbox) -> None:
    groups = (347, 348, 349, 383, 384, 385, 386, 1001, 1002, 1003)
    query = "{ users(first: 1000) { nodes { id } } groups { nodes { id } } financialMovements { totalCount } }"
    many = await audience.ask(query, of_groups(*groups))
    assert [each["id"] for each in many["data"]["users"]["nodes"]] == [str(id) for id in range(2051, 2061)]
    assert [each["id"] for each in many["data"]["groups"]["nodes"]] == ["347", "348", "349", "383", "384", "385", "386"]
    assert [step["parameters"] for step in many["extensions"]["trace"]] == [{}, {}, {}]
    few = [await audience.data(query, of_groups(group)) for group in groups]
    assert many["data"]["financialMovements"]["totalCount"] == sum(
        each["financialMovements"]["totalCount"] for each in few
    )


# The fields that name somebody: each with a hidden id, and an id that does not exist.
HIDDEN = [
    ('{ group(id: "$") { id name users { totalCount } } }', "382", "399"),
    ('{ group(id: "$") { transactions { totalCount } dailyMovements { net } } }', "382", "399"),
    ('{ group(id: "$") { __typename } }', "348", "399"),
    ('{ groups(ids: ["383", "$"]) { totalCount nodes { id } } }', "382", "399"),
    ('{ user(id: "$") { id username group { id } } }', "2001", "2999"),
    ('{ user(id: "$") { transactions { totalCount } gameLogs { totalCount } } }', GUEST, "2999"),
    ('{ users(ids: ["$", "2051"]) { totalCount nodes { id } } }', "2001", "2999"),
    ('{ users(groupId: "$") { totalCount } }', "382", "399"),
    ('{ users(groupId: "$", username: "a") { totalCount } }', "382", "399"),
    ('{ users(ids: ["2051"], groupId: "$") { totalCount } }', "382", "399"),
    ('{ financialMovements(groupId: "$") { totalCount nodes { amount } } }', "382", "399"),
    ('{ financialMovements(groupId: "$") { totalCount } }', "349", "399"),
    ('{ user(id: "2054") { transactions(inGroup: "$") { totalCount nodes { id } } } }', "385", "399"),
    ('{ group(id: "383") { users { nodes { transactions(inGroup: "$") { nodes { id amount } } } } } }', "385", "399"),
    ('{ _entities(representations: [{__typename: "Group", id: "$"}]) { ... on Group { id name } } }', "382", "399"),
    ('{ _entities(representations: [{__typename: "User", id: "$"}]) { ... on User { id } } }', "2001", "2999"),
]


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize(("query", "hidden", "nobody"), HIDDEN)
async def test_whoever_is_hidden_looks_like_nobody(
    query: str, hidden: str, nobody: str, explain: bool, audience: Audience, sandbox: Sandbox
) -> None:
    assert (await audience.ask(query.replace("$", hidden)))["data"], "everybody sees it"
    if not explain:
        await audience.ask(query.replace("$", nobody), PARTNER)  # the rows that are cached now are cached for both
    answers, calls = [], []
    for id in (hidden, nobody):
        sandbox.reset()
        answers.append(alike(await audience.ask(query.replace("$", id), PARTNER, explain), id))
        calls.append(sandbox.calls())
    assert answers[0] == answers[1]
    assert calls[0] == calls[1]


def alike(answer: Any, id: str, name: str = "") -> Any:
    """Return an answer without times, and without the requested id."""
    if isinstance(answer, dict):
        return {key: alike(value, id, key) for key, value in answer.items() if key not in ("seconds", "start")}
    if isinstance(answer, list):
        return [alike(item, id, name) for item in answer]
    return re.sub(rf"\b{id}\b", "$", str(answer))


async def test_an_entity_of_others_is_gone_by_its_node_id_too(audience: Audience) -> None:
    query = """{ groups { nodes { nodeId id } } users(first: 1000) { nodes { nodeId id } }
      gameLogs(first: 1000) { nodes { nodeId user { id } } }
      home: group(id: "383") { transactions(first: 200) { nodes { nodeId id user { id } } } }
      away: group(id: "385") { transactions(first: 200) { nodes { nodeId id user { id } } } } }"""
    everything = await audience.data(query)
    logs = everything["gameLogs"]["nodes"]
    own = {
        "Group": next(each for each in everything["groups"]["nodes"] if each["id"] == "383"),
        "User": next(each for each in everything["users"]["nodes"] if each["id"] == "2051"),
        "GameLog": next(each for each in logs if each["user"]["id"] in MEMBERS),
        "Transaction": next(each for each in everything["home"]["transactions"]["nodes"] if each["user"]["id"] == AWAY),
    }
    foreign = [
        next(each for each in everything["groups"]["nodes"] if each["id"] == "382"),
        next(each for each in everything["users"]["nodes"] if each["id"] == "2001"),
        next(each for each in logs if each["user"]["id"] not in MEMBERS),
        next(each for each in everything["away"]["transactions"]["nodes"] if each["user"]["id"] == AWAY),
        next(each for each in everything["away"]["transactions"]["nodes"] if each["user"]["id"] != AWAY),
    ]
    ask = "query ($id: ID!) { node(nodeId: $id) { __typename nodeId } }"
    for kind, each in own.items():
        assert (await audience.data(ask, PARTNER, id=each["nodeId"]))["node"]["__typename"] == kind
    for each in foreign:
        assert (await audience.data(ask, id=each["nodeId"]))["node"] is not None
        assert (await audience.ask(ask, PARTNER, id=each["nodeId"]))["data"]["node"] is None


async def test_a_guests_movement_is_found_again_by_an_id_that_does_not_name_the_guest(audience: Audience) -> None:
    movements = await audience.data(
        '{ group(id: "383") { transactions(first: 1000) { nodes { nodeId id amount user { id } } } } }', PARTNER
    )
    guest = next(each for each in movements["group"]["transactions"]["nodes"] if each["user"] is None)
    for below in ("id", "id amount currency", "amount user { id }"):
        query = f"query ($id: ID!) {{ node(nodeId: $id) {{ ... on Transaction {{ {below} }} }} }}"
        found = (await audience.data(query, PARTNER, id=guest["nodeId"]))["node"]
        for name, value in found.items():
            assert value == guest.get(name), name


async def test_pages_follow_each_other_as_if_nothing_stood_between(audience: Audience) -> None:
    query = """query ($after: String) { gameLogs(first: 7, after: $after) { totalCount nodes { id }
      pageInfo { hasNextPage endCursor } } }"""
    whole = await audience.data("{ gameLogs(first: 1000) { totalCount nodes { id } } }", PARTNER)
    ids: list[str] = []
    after = None
    while True:
        page = (await audience.data(query, PARTNER, after=after))["gameLogs"]
        assert page["totalCount"] == whole["gameLogs"]["totalCount"]
        ids += [each["id"] for each in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert ids == [each["id"] for each in whole["gameLogs"]["nodes"]]
    assert len(ids) > 7


async def test_the_trace_counts_what_is_seen_and_measures_nothing_else(audience: Audience) -> None:
    everything = await audience.ask("{ gameLogs { totalCount } }")
    (step,) = everything["extensions"]["trace"]
    assert step["rows"] == everything["data"]["gameLogs"]["totalCount"]
    restricted = await audience.ask("{ gameLogs { totalCount } }", PARTNER)
    logs, members = restricted["extensions"]["trace"]
    assert (logs["report"], logs["rows"]) == ("G1", restricted["data"]["gameLogs"]["totalCount"])
    assert logs["rows"] < step["rows"]
    assert (members["report"], members["parameters"], members["way"]) == ("R9", {"fkgroup": 383}, "scope")
    for each in (logs, members):
        assert (each["requests"] <= 1, each["bytes"], each["price"], each["rejected"]) == (True, 0, 0.0, [])


async def test_a_prediction_is_made_of_what_this_caller_saw_and_of_nothing_that_others_did(audience: Audience) -> None:
    query = "{ gameLogs { totalCount nodes { id user { id } } } }"
    before = await audience.ask(query, PARTNER, explain=True)
    seen_by_all = (await audience.data(query))["gameLogs"]["totalCount"]
    assert seen_by_all in [
        part["rows"] for part in (await audience.ask(query, explain=True))["extensions"]["explain"]["plan"]
    ]
    unseen = await audience.ask(query, PARTNER, explain=True)
    assert rows_of(unseen) == rows_of(before), "what others saw is no news for this caller"
    seen = (await audience.data(query, PARTNER))["gameLogs"]["totalCount"]
    after = rows_of(await audience.ask(query, PARTNER, explain=True))
    assert after["G1"] == seen
    assert after["R9"] == len(MEMBERS)
    other = rows_of(await audience.ask(query, of_groups(384), explain=True))
    assert other == rows_of(before)


def rows_of(explained: Any) -> dict[str, int]:
    """Return the number of rows that a plan predicts for each report."""
    counts: dict[str, int] = {}
    for part in explained["extensions"]["explain"]["plan"]:
        counts[part["report"]] = counts.get(part["report"], 0) + part["rows"]
    return counts


async def test_a_plan_of_what_was_seen_is_exact(audience: Audience, sandbox: Sandbox) -> None:
    query = """{ group(id: "383") { users { nodes { id transactions { totalCount } gameLogs { totalCount } } } }
      user(id: "2001") { transactions { totalCount } } }"""
    await audience.data(query, PARTNER)
    plan = (await audience.ask(query, PARTNER, explain=True))["extensions"]["explain"]
    trace = (await audience.ask(query, PARTNER))["extensions"]["trace"]
    assert sum(part["held"] for part in plan["plan"]) == len(trace)
    assert not plan["depends"]


async def test_errors_do_not_quote_what_the_upstream_says(sandbox: Sandbox) -> None:
    async with Audience(sandbox, cached=False) as audience:
        for report, kind, query in (
            ("get_game_log", "types", "{ gameLogs { totalCount } }"),
            ("api_bulk_games_report", "500", "{ games { totalCount } }"),
            ("api_users_report", "types", "{ games { totalCount } }"),
        ):
            sandbox.heal()
            sandbox.fault(kind, report)
            (error,) = (await audience.ask(query, PARTNER))["errors"]
            whose, what = error["message"].split(": ")
            assert whose in ("Game History G1", "GameHub R2", "GameHub R9")
            assert re.fullmatch(r"the upstream [a-zA-Z ]+\. [a-zA-Z ;,]+\.", what)
            assert re.fullmatch(r"[0-9a-f]{12}", error["extensions"]["correlationId"])
            if report != "api_users_report":
                (quoting,) = (await audience.ask(query, EVERYONE))["errors"]
                assert quoting["extensions"]["code"] == error["extensions"]["code"]
                assert len(quoting["message"]) > 0


async def test_without_its_users_nothing_that_names_users_is_shown(sandbox: Sandbox) -> None:
    async with Audience(sandbox, cached=False) as audience:
        sandbox.fault("500", "api_users_report")
        answer = await audience.ask("{ games { totalCount } groups { totalCount } gameLogs { totalCount } }", PARTNER)
        assert answer["data"] == {"games": None, "groups": {"totalCount": 1}, "gameLogs": None}
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"UPSTREAM_ERROR"}
