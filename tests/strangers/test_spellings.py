"""User codes that differ in case, accents or trailing blanks: a user has the same rows in every query."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvers.caller import EVERYONE, Caller
from server.execution.execution import Outcome
from tests.strangers.client import Client
from tests.strangers.stranger import Stranger
from tests.strangers.upstreams import write_agents
from tests.strangers.world import Group, Log, User, moment

TODAY = "2022-10-30 23:59:59/2022-10-31 11:59:59"  # one second wider, and no later than now
GROUPS = (391, 392)
ALIKE = ("bob", "Bob", "BOB ", "jose", "José", "JOSÉ  ", "Strasse", "straße", "Ana", "ghost")
LOGS = "gameLogs { nodes { id userCode user { id } } }"


def populate(stranger: Stranger, users: list[tuple[str, int]], spellings: list[str]) -> None:
    """A world of these users, each of a group, numbered from 1; and of a log for each spelling, numbered from 11."""
    world = stranger.world
    world.groups = [Group(id, f"Group {id}", "Local", None) for id in GROUPS]
    world.users = [User(number, name, group) for number, (name, group) in enumerate(users, 1)]
    world.movements, world.financial, world.games = [], [], []
    at = moment("2022-10-31 09:00:00")
    world.logs = [Log(11 + n, at, None, "1", "0", "2", "1", stray=text) for n, text in enumerate(spellings)]


def outcome(answer: Outcome, *path: Any) -> Any:
    """Return the ids of the logs below a path, or the codes of the errors there."""
    codes = {error["extensions"]["code"] for error in answer.errors if list(path) == error["path"][: len(path)]}
    if codes:
        return codes
    found: Any = answer.data
    for step in path:
        found = found[step]
    return sorted(int(log["id"]) for log in found["nodes"])


def owned(answer: Outcome) -> dict[int, Any]:
    """Return the user id of each log, or the code of the error instead."""
    found: dict[int, Any] = {}
    assert answer.data is not None
    for place, log in enumerate(answer.data["gameLogs"]["nodes"]):
        errors = [e["extensions"]["code"] for e in answer.errors if e["path"] == ["gameLogs", "nodes", place, "user"]]
        found[int(log["id"])] = errors or (log["user"] and int(log["user"]["id"]))
    return found


async def of_every_way(client: Client, caller: Caller, users: dict[int, int], compiled: bool) -> dict[int, Any]:
    """Return the logs of each user with a group: they are equal alone, in a group, and among all, in every way."""
    found = {}
    for id in users:
        alone = await client.outcome(f'{{ user(id: "{id}") {{ {LOGS} }} }}', compiled=compiled, caller=caller)
        assert alone.data is not None
        found[id] = outcome(alone, "user", "gameLogs") if alone.data["user"] else None
    ids = ", ".join(f'"{id}"' for id in users)
    for bulk in (False, True):
        together = await client.outcome(
            f"{{ users(ids: [{ids}]) {{ nodes {{ id {LOGS} }} }} }}", compiled=compiled, caller=caller, bulk=bulk
        )
        walk = await client.outcome(
            f"{{ groups {{ nodes {{ users {{ nodes {{ id {LOGS} }} }} }} }} }}",
            compiled=compiled, caller=caller, bulk=bulk,
        )  # fmt: skip
        assert together.data is not None
        assert walk.data is not None
        among = {
            int(user["id"]): outcome(together, "users", "nodes", place, "gameLogs")
            for place, user in enumerate(together.data["users"]["nodes"])
        }
        walked = {
            int(user["id"]): outcome(walk, "groups", "nodes", g, "users", "nodes", u, "gameLogs")
            for g, group in enumerate(walk.data["groups"]["nodes"])
            for u, user in enumerate(group["users"]["nodes"])
        }
        assert among == walked == {id: logs for id, logs in found.items() if logs is not None}
    return found


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("equality", "logs"), [("exact", [12]), ("case", [12, 13]), ("loose", [12, 13])], ids=["exact", "case", "loose"]
)
async def test_one_key_and_many_keys_agree(
    stranger: Stranger, client: Client, equality: str, logs: list[int], compiled: bool
) -> None:
    stranger.become(equality=equality)
    populate(stranger, [("eva", 391), ("bob", 391), ("JORGE", 391)], ["JORGE", "bob", "Bob", "eva"])
    async with client:
        found = await of_every_way(client, EVERYONE, {1: 391, 2: 391, 3: 391}, compiled)
        assert found == {1: [14], 2: logs, 3: [11]}
        answer = await client.outcome(f"{{ {LOGS} }}", compiled=compiled)
        assert owned(answer) == {11: 3, 12: 2, 13: 2 if 13 in logs else None, 14: 1}
        stranger.calls()
        await client.outcome(f'{{ user(id: "2") {{ {LOGS} }} }}', compiled=compiled)
        # All users are read only if a row has another spelling than the code.
        log = f"get_game_log agent=admin game_type=slot page=0 user_code=bob {TODAY}"
        assert stranger.calls() == [*(["api_users_report"] if 13 in logs else []), "api_users_report id=2", log]


async def test_a_log_of_several_possible_users_is_an_error_in_every_way(stranger: Stranger, client: Client) -> None:
    stranger.become(equality="loose")
    populate(stranger, [("bob", 391), ("BOB", 392)], ["bob", "BOB", "Bob"])
    async with client:
        found = await of_every_way(client, EVERYONE, {1: 391, 2: 392}, compiled=True)
        assert found == {1: {"UPSTREAM_INCOMPLETE"}, 2: {"UPSTREAM_INCOMPLETE"}}
        assert owned(await client.outcome(f"{{ {LOGS} }}", compiled=True)) == {
            11: 1,
            12: 2,
            13: ["UPSTREAM_INCOMPLETE"],
        }
        answer = await client.outcome(f"{{ {LOGS} }}", compiled=True, caller=Caller("partner", frozenset({391})))
        assert [error["extensions"]["code"] for error in answer.errors] == ["UPSTREAM_INCOMPLETE"]
        assert "BOB" not in str(answer.errors)


async def test_an_exact_spelling_is_its_users(stranger: Stranger, client: Client) -> None:
    """The neighbour's rows arrive with those of `bob` and are left out, also for a caller of one group."""
    stranger.become(equality="loose")
    populate(stranger, [("bob", 391), ("Bob ", 392)], ["bob", "Bob "])
    async with client:
        assert await of_every_way(client, EVERYONE, {1: 391, 2: 392}, compiled=True) == {1: [11], 2: [12]}
        partner = Caller("partner", frozenset({391}))
        assert await of_every_way(client, partner, {1: 391, 2: 392}, compiled=True) == {1: [11], 2: None}
        assert owned(await client.outcome(f"{{ {LOGS} }}", compiled=True, caller=partner)) == {11: 1}


USER = st.tuples(st.sampled_from(ALIKE[:-1]), st.sampled_from(GROUPS))
USERS = st.lists(USER, min_size=1, max_size=5, unique_by=lambda user: user[0])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    USERS,
    st.lists(st.sampled_from(ALIKE), min_size=1, max_size=5),
    st.sampled_from(("exact", "case", "loose")),
    st.booleans(),
)
async def test_users_have_the_same_logs_in_every_way(
    stranger: Stranger, users: list[tuple[str, int]], spellings: list[str], equality: str, compiled: bool
) -> None:
    """The logs do not depend on the number of users, or on the caller: a caller of a group sees the group's part."""
    stranger.reset(equality=equality)
    populate(stranger, users, spellings)
    groups = {number: group for number, (_, group) in enumerate(users, 1)}
    async with Client(stranger) as client:
        found = await of_every_way(client, EVERYONE, groups, compiled)
        owners = owned(await client.outcome(f"{{ {LOGS} }}", compiled=compiled))
        for id, logs in found.items():
            if isinstance(logs, list):
                assert sorted(log for log, owner in owners.items() if owner == id) == logs
        for group in GROUPS:
            partner = Caller("partner", frozenset({group}))
            own = {id: logs if groups[id] == group else None for id, logs in found.items()}
            assert await of_every_way(client, partner, groups, compiled) == own
            answer = await client.outcome(f"{{ {LOGS} }}", compiled=compiled, caller=partner)
            if not any(isinstance(owner, list) for owner in owners.values()):
                assert owned(answer) == {log: owner for log, owner in owners.items() if groups.get(owner) == group}
            elif answer.data["gameLogs"]:
                assert owned(answer).items() <= owners.items()


class TestSeveralAgents:
    """Group 392 has its own agent, `north`."""

    @pytest.fixture(autouse=True)
    def _agents(self, stranger: Stranger, client: Client, tmp_path: Path) -> None:
        stranger.become(equality="loose", agent_of_group={392: "north"})
        file = write_agents(tmp_path / "agents.json", {392: ("north", "north-secret")})
        client.upstream_options["agents_file"] = file
        client.options |= {
            "agents": lambda: ("", "north"),
            "agent_of_group": lambda group: "north" if group == 392 else "",
        }
        populate(stranger, [("bob", 391), ("bob", 392), ("ana", 392)], ["bob", "bob", "ANA", "ana"])
        stranger.world.logs[1].agent = stranger.world.logs[2].agent = "north"

    @pytest.mark.parametrize("compiled", [False, True])
    async def test_a_log_is_of_a_user_whom_its_agent_serves(self, client: Client, compiled: bool) -> None:
        """Log 14 of `ana` came from the agent that serves no ana."""
        async with client:
            assert owned(await client.outcome(f"{{ {LOGS} }}", compiled=compiled)) == {11: 1, 12: 2, 13: 3, 14: None}
            found = await of_every_way(client, EVERYONE, {1: 391, 2: 392, 3: 392}, compiled)
            assert found == {1: [11], 2: [12], 3: [13]}
            partner = Caller("partner", frozenset({392}))
            assert owned(await client.outcome(f"{{ {LOGS} }}", compiled=compiled, caller=partner)) == {12: 2, 13: 3}

    async def test_an_id_that_two_agents_have_is_ambiguous(self, stranger: Stranger, client: Client) -> None:
        stranger.world.logs[1].id = 11
        logs = ", ".join(f'{{__typename: "GameLog", id: "{id}"}}' for id in (11, 13))
        query = f"{{ _entities(representations: [{logs}]) {{ ... on GameLog {{ id userCode agentCode }} }} }}"
        async with client:
            answer = await client.outcome(query, compiled=True)
        assert answer.data == {"_entities": [None, {"id": "13", "userCode": "ANA", "agentCode": "north"}]}
        (error,) = answer.errors
        assert (error["path"], error["extensions"]["code"]) == (["_entities", 0], "UPSTREAM_INCOMPLETE")

    async def test_a_log_in_another_spelling_is_found_again(self, client: Client) -> None:
        async with client:
            data = await client.data('{ user(id: "3") { gameLogs { nodes { nodeId id } } } }')
            (log,) = data["user"]["gameLogs"]["nodes"]
            for caller in (EVERYONE, Caller("partner", frozenset({392}))):
                query = f'{{ node(nodeId: "{log["nodeId"]}") {{ ... on GameLog {{ id user {{ id }} }} }} }}'
                again = await client.outcome(query, compiled=True, caller=caller)
                assert (again.data, again.errors) == ({"node": {"id": "13", "user": {"id": "3"}}}, [])
            hidden = await client.outcome(query, compiled=True, caller=Caller("other", frozenset({391})))
            assert (hidden.data, hidden.errors) == ({"node": None}, [])
