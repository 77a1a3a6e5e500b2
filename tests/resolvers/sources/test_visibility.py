"""A walk over the whole schema as a caller of one group: no value of another comes out, wherever one looks.

What is whose is found out here from the raw rows of the upstream, by rules written down once more.
"""

import asyncio
import base64
import datetime
import json
import re
import typing
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from resolvers import edges
from resolvers.caller import EVERYONE
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.graph import schema
from tests.audience import Audience, of_groups
from tests.resolvers.everything import Everything
from tests.stand import Sandbox
from upstream.call import Answer, Call
from upstream.errors import NotFound
from upstream.reports import rows as upstream_rows
from upstream.reports import table as reports
from upstream.reports.table import REPORTS
from upstream.values.interval import Interval, SentFrame, dates, resolve

# Half an hour with games of every room, in which all groups buy and win.
HALF_HOUR = '{between: {from: "2026-03-15T11:00:00Z", until: "2026-03-15T11:30:00Z"}}'
GROUPS = (347, 348, 349, 382, 383, 384, 385, 386)
KINDS = ("group", "user", "username", "partner's user", "movement", "log", "transaction", "ticket", "card")


@dataclass
class Belongings:
    """The values of each kind that belong to groups, by the group."""

    values: dict[str, dict[str, set[int]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def add(self, kind: str, group: int | None, *values: object) -> None:
        """These values are a group's; of none, they are somebody else's whoever asks."""
        for value in values:
            if value is not None:
                self.values[kind].setdefault(str(value), set()).add(group or 0)

    def of_others(self, group: int) -> set[tuple[str, str]]:
        """The values that are others' and not this group's too, each after its kind."""
        return {
            (kind, value)
            for kind, owned in self.values.items()
            for value, owners in owned.items()
            if group not in owners
        }

    def of(self, group: int) -> set[tuple[str, str]]:
        """The values that are this group's, each after its kind."""
        return {
            (kind, value) for kind, owned in self.values.items() for value, owners in owned.items() if group in owners
        }


async def belongings(audience: Audience, interval: Interval, games: set[str]) -> Belongings:
    """Return the owners of all rows of a period and of these games."""

    async def rows(report: reports.Report, during: Interval | None = None, **params: Any) -> list[Any]:
        return list((await audience.graph.upstream.fetch(Call.of(report, during, **params))).rows)

    found = Belongings()
    home = {}
    for group in await rows(reports.GROUPS):
        found.add("group", group.id, group.id, group.external_group_id, group.name)
    for user in await rows(reports.USERS):
        home[user.id] = user.group_id
        home[user.username] = user.group_id
        found.add("user", user.group_id, user.id)
        found.add("username", user.group_id, user.username)
        found.add("partner's user", user.group_id, user.external_user_id)
    for group_id in GROUPS:
        for movement in await rows(reports.GROUP_MOVEMENTS, interval, group_id=group_id):
            found.add("movement", group_id, movement.movement_id)
            found.add("ticket", group_id, movement.ticket_id)
    for log in await rows(reports.GAME_LOGS, interval, game_type="slot"):
        found.add("log", home[log.user_code], log.history_id)
        found.add("transaction", home[log.user_code], log.txn_id)
    for game in await rows(reports.ROOM_GAMES, interval):
        for winner in game.winners:
            found.add("card", home[winner.user_id], winner.card_id)
            found.add("ticket", home[winner.user_id], winner.ticket_id)
    details = await asyncio.gather(*(rows(reports.GAME_DETAIL, id=int(id)) for id in games))
    for (detail,) in details:
        for ticket in detail.tickets:
            found.add("ticket", ticket.seller_group_id, ticket.ticket_id)
            found.add("card", ticket.seller_group_id, *(card.card_id for card in ticket.cards))
        for winner in detail.winners:
            found.add("card", home[winner.user_id], winner.card_id)
            found.add("ticket", home[winner.user_id], winner.ticket_id)
        jackpot = detail.progressive_jackpot
        for prize in [*detail.prizes, *([jackpot] if jackpot else [])]:
            for winning in prize.winners:
                # A prize's winners go by their card, which the report calls a ticket.
                found.add("card", home[winning.user_id], winning.ticket_id)
    return found


# Ids of movements, logs, tickets and prizes are counted alike, so that only the field distinguishes them; elsewhere
# a value may be of any kind.
FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Transaction", "id"): ("movement",),
    ("GameLog", "id"): ("log",),
    ("GameLog", "txnId"): ("transaction",),
    ("Transaction", "ticketId"): ("ticket",),
    ("Ticket", "id"): ("ticket",),
    ("Card", "id"): ("card",),
    ("TicketWin", "cardId"): ("card",),
    ("Winner", "cardId"): ("card",),
    ("Winner", "ticketId"): ("card", "ticket"),
    ("Prize", "id"): (),
}
OPAQUE: dict[str, tuple[str, ...]] = {
    "Transaction": ("movement", "user", "group"),
    "GameLog": ("log", "username"),
    "transactions": ("movement",),
    "gameLogs": ("log",),
    "financialMovements": ("user", "group"),
}


Words = set[tuple[tuple[str, ...], str]]


def words(answer: Any) -> Words:
    """Every value of an answer, and every word of its texts, each after the kinds that it may be of."""
    shown: Words = set()
    _words(answer, "", "", shown)
    return shown


def _words(answer: Any, kind: str, name: str, shown: Words) -> None:
    if isinstance(answer, dict):
        kind = answer.get("__typename", kind)
        for key, value in answer.items():
            field = key if key.startswith("__") else key.rpartition("__")[2]
            _words(value, kind, field if name != "parameters" else name, shown)
    elif isinstance(answer, list):
        for value in answer:
            _words(value, kind, name, shown)
    elif isinstance(answer, str):
        if name in ("nodeId", "cursor", "startCursor", "endCursor"):
            of, *parts = json.loads(base64.urlsafe_b64decode(answer + "=" * (-len(answer) % 4)))
            shown.update((OPAQUE.get(of, KINDS), str(part).lstrip("-")) for part in parts)
        else:
            kinds = FIELDS.get((kind, name), KINDS)
            shown.add((kinds, answer))
            shown.update((kinds, word) for word in re.findall(r"[\w.-]+", answer))
    elif isinstance(answer, int) and name == "parameters":
        # Elsewhere a number is a count, a price or a place, which may look like somebody's id.
        shown.add((KINDS, str(answer)))


def among(shown: Words, values: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return which of these values were shown."""
    return {(kind, value) for kinds, value in shown for kind in kinds if (kind, value) in values}


def ids_of_games(answer: Any) -> set[str]:
    """The games of an answer."""
    if isinstance(answer, list):
        return set().union(*map(ids_of_games, answer))
    if not isinstance(answer, dict):
        return set()
    here = {answer["id"]} if answer.get("__typename") == "Game" and "id" in answer else set()
    return here.union(*map(ids_of_games, answer.values()))


@dataclass
class Walk:
    """All questions, and what everybody is answered; what is whose is known of every game in it."""

    audience: Audience
    everything: Everything
    queries: list[tuple[str, dict[str, Any]]]
    answers: list[Any]
    owned: Belongings


@pytest.fixture
async def walk(sandbox: Sandbox) -> AsyncIterator[Walk]:
    async with Audience(sandbox, lookback_days=1) as audience:
        interval = resolve(SentFrame.TODAY, audience.graph.now, audience.graph.zone)
        start = await audience.data(f"""{{
          games(first: 1000, during: {HALF_HOUR}) {{ nodes {{ id nodeId }} }} group(id: "385") {{ nodeId }}
          user(id: "2001") {{ nodeId transactions(first: 1) {{ nodes {{ nodeId }} }}
            }} gameLogs(first: 1000) {{ nodes {{ nodeId id user {{ group {{ id }} }} }} }}
          away: user(id: "2054") {{ transactions(first: 100, inGroup: 385) {{ nodes {{ id nodeId }} }} }}
          guest: user(id: "2014") {{ transactions(first: 100, inGroup: 383) {{ nodes {{ id nodeId }} }} }} }}""")
        games = start["games"]["nodes"]
        away, guest = (start[name]["transactions"]["nodes"][0] for name in ("away", "guest"))
        of_group = {each["user"]["group"]["id"]: each for each in start["gameLogs"]["nodes"]}
        log, small = of_group["382"], of_group["383"]
        nodes = [
            games[0],
            start["group"],
            start["user"],
            start["user"]["transactions"]["nodes"][0],
            log,
            small,
            away,
            guest,
        ]
        entities = [
            *(("Group", id) for id in (*GROUPS, 399)),
            *(("User", id) for id in (2001, 2014, 2051, 2054, 2055, 2999)),
            ("Transaction", away["id"]),
            ("Transaction", guest["id"]),
            ("GameLog", log["id"]),
            ("Room", 1),
            ("Game", games[0]["id"]),
        ]
        everything = Everything(
            schema._schema,
            {
                "group.id": ["347", "348", "382", "383", "385", "399"],
                "user.id": ["2001", "2014", "2051", "2054", "2055"],
                "users.ids": [["2001", "2014", "2051", "2054"]],
                "users.username": ["a"],
                "users.groupId": ["382", "383"],
                "groups.ids": [["347", "382", "383"]],
                "financialMovements.groupId": ["347", "349", "382", "383"],
                "room.id": ["1"],
                "game.id": [game["id"] for game in games[:4]],
                "node.nodeId": [each["nodeId"] for each in nodes],
                "_entities.representations": [[{"__typename": kind, "id": str(id)} for kind, id in entities]],
                "inGroup": ['"382"', '"385"'],
            },
            {"during": HALF_HOUR, "first": "3"},
        )
        queries = list(everything.queries())
        answers = [await audience.ask(query, **variables) for query, variables in queries]
        owned = await belongings(audience, interval, set().union(*map(ids_of_games, answers)))
        yield Walk(audience, everything, queries, answers, owned)


async def test_no_value_of_another_group_comes_out(walk: Walk) -> None:
    refused = [answer["errors"][:1] for answer in walk.answers if "data" not in answer]
    assert refused == []
    assert walk.everything.requested == walk.everything.fields(), "the walk asks for every field of the schema"
    all_shown: Words = set().union(*map(words, walk.answers))
    for group in (382, 383):
        others, own = walk.owned.of_others(group), walk.owned.of(group)
        assert {kind for kind, _ in among(all_shown, others)} == set(KINDS), "the walk finds what is to be hidden"
        seen: set[tuple[str, str]] = set()
        # A plan of what this caller has not asked yet repeats whatever id it is asked for: plans come last.
        plans = [(query, variables, True) for query, variables in dict(walk.queries).items()]
        for query, variables, explain in [*((*each, False) for each in walk.queries), *plans]:
            shown = words(await walk.audience.ask(query, of_groups(group), explain, **variables))
            # The sandbox gives rows of different reports different ids: equal ids would look like hidden values here.
            assert among(shown, others) == set(), f"in the answer to {query[:80]} {variables}"
            seen |= among(shown, own)
        assert {kind for kind, _ in seen} == set(KINDS), "a caller sees what is its own"


# Cases that the sandbox does not have: agents of groups, codes in other letters, rows that do not name their group.


@dataclass
class Simulated:
    """Users 1 and 2 of group 10, user 3 of group 20, and the log of each agent. `shows_group`: rows name the group."""

    logs: dict[str, list[str]]
    shows_group: bool = True
    calls: list[Call] = field(default_factory=list)

    async def fetch(self, call: Call) -> Answer[Any]:
        """The answer of a call."""
        self.calls.append(call)
        params = dict(call.params)
        if call.report is reports.USERS:
            users = [(1, "ana", 10), (2, "bob", 10), (3, "cleo", 20)]
            return Answer(
                [
                    upstream_rows.UserRow(
                        id=id, username=name, fkgroup="Same", group_id=group if self.shows_group else None
                    )
                    for id, name, group in users
                    if params.get("fkgroup") in (None, group)
                ]
            )
        if call.report is reports.FINANCIAL_MOVEMENTS:
            return Answer(
                [
                    upstream_rows.FinancialMovementRow(
                        timestamp=0, type=1, subtype=1, currency_amount=f"{group}.00", group_id=group, user_id=1
                    )
                    for group in ((10, 11, None) if params.get("group_id") == 10 else (10, 11, 20, None))
                ]
            )
        assert call.report is reports.GAME_LOGS
        wanted = params.get("user_code")
        found = [
            upstream_rows.GameLogRow(
                history_id=number, agent_code=call.agent, user_code=code, provider_code="P", game_code="g", type="BASE",
                bet_money="1.00", win_money="0.00", txn_id=str(number), txn_type="debit_credit", created_at=0,
            )
            for number, code in enumerate(self.logs.get(call.agent, []))
            if wanted is None or code.casefold() == str(wanted).casefold()
        ]  # fmt: skip
        if wanted is not None and not found:
            raise NotFound("no such user")
        return Answer(found)


TODAY = dates(datetime.date(2026, 3, 15), datetime.date(2026, 3, 15), ZoneInfo("UTC"))


def session(upstream: Simulated, *groups: int, **settings: Any) -> Session:
    """A session of a caller who sees these groups."""
    return Session(upstream, ZoneInfo("UTC"), caller=of_groups(*groups), **settings)


async def codes(session: Session, agent: str = "") -> list[str]:
    """Return the user codes in an agent's whole log."""
    return [row.user_code for row in await session.all(reports.GAME_LOGS, TODAY, agent=agent, game_type="slot")]


async def test_a_code_in_other_letters_is_whose_game_history_says() -> None:
    upstream = Simulated({"": ["ana", "BOB", "Cleo", "dan"]})
    assert await codes(session(upstream, 10)) == ["ana", "BOB"]
    sent = [dict(call.params).get("user_code") for call in upstream.calls if call.report is reports.GAME_LOGS]
    assert sent == [None, "bob"]
    assert await codes(session(upstream, 20)) == ["Cleo"]


async def test_an_agent_of_other_groups_is_not_there_and_its_codes_are_other_users() -> None:
    upstream = Simulated({"a": ["ana", "cleo"], "b": ["cleo", "ana"]})
    agents = {10: "a", 20: "b"}
    settings: dict[str, Any] = {"agents": lambda: ["a", "b"], "agent_of_group": lambda group: agents.get(group, "")}
    of_ten = session(upstream, 10, **settings)
    assert list(of_ten.agents()) == ["a"]
    assert of_ten.many_agents
    assert await codes(of_ten, "a") == ["ana"]
    for agent in ("b", "nobody's"):
        with pytest.raises(NotFound, match=r"^G1: there is no such group, user, room or game$"):
            await codes(of_ten, agent)
    assert await of_ten.rows(Lookup.of(edges.LOGS_OF_USER, TODAY, "b", game_type="slot"), "ana") == []
    assert {call.agent for call in upstream.calls} == {"", "a"}, "nobody asked the other agent"
    both = session(upstream, 10, 20, **settings)
    assert (await codes(both, "a"), await codes(both, "b")) == (["ana"], ["cleo"])


@pytest.mark.parametrize("others", [(), range(100, 120)])
async def test_users_who_do_not_tell_their_group_are_whose_group_was_asked_for(others: Any) -> None:
    upstream = Simulated({"": ["ana", "cleo"]}, shows_group=False)
    asks = session(upstream, 10, *others)
    assert [row.id for row in await asks.all(reports.USERS)] == [1, 2]
    assert await codes(asks) == ["ana"]
    assert [row.id for row in await asks.rows(Lookup(edges.USER_BY_ID), 2)] == [2]
    assert await asks.rows(Lookup(edges.USER_BY_ID), 3) == []


async def test_the_groups_below_one_are_there_only_if_they_are_listed() -> None:
    for groups, seen in (((10,), [10]), ((10, 11), [10, 11]), ((20,), [20])):
        for group in (None, 10):
            if group in (None, *groups):
                found = await session(Simulated({}), *groups).all(reports.FINANCIAL_MOVEMENTS, TODAY, group_id=group)
                assert [row.group_id for row in found] == seen, "a row that does not tell its group is nobody's"
                assert {row.user_id for row in found} == ({None} if groups == (20,) else {1})


async def test_a_caller_of_all_groups_is_not_filtered_and_asks_for_nothing_more() -> None:
    upstream = Simulated({"": ["ana", "dan"]})
    asks = Session(upstream, ZoneInfo("UTC"), caller=EVERYONE)
    assert asks.visibility is None
    assert await codes(asks) == ["ana", "dan"]
    assert [call.report.code for call in upstream.calls] == ["G1"]


def test_every_column_that_names_a_group_or_a_user_has_an_owner() -> None:
    for report in REPORTS:
        owned = set(_columns(report.owner, report.row)) if report.owner else set()
        named = {name for name in _naming(report.row) if not name.endswith("_balance")}
        if report is reports.USERS:
            named -= {"username", "external_user_id"}  # the row is the user
        assert named <= owned, f"{report.code}: {sorted(named - owned)}"


# Rows that name nobody, or belong to the winner beside them.
SAFE = ("user_name", "card_holder_name", "username", "bs_user_bought_strip_id")


def _naming(row: Any, path: str = "") -> Iterator[str]:
    """The columns of a row, and of what is inside it, that look as if they named a group or a user."""
    for each in msgspec.structs.fields(row):
        for inner in _structs(each.type):
            yield from _naming(inner, f"{path}{each.name}.")
        if re.search(r"group|user", each.name) and not (path and each.name in SAFE):
            yield f"{path}{each.name}"


def _columns(owner: Any, row: Any, path: str = "") -> Iterator[str]:
    """The columns that an owner speaks of; each must exist."""
    names = {each.name: each.type for each in msgspec.structs.fields(row)}
    for shown in (owner.group, owner.user):
        for name in shown.columns if shown else ():
            assert name in names, f"{row.__name__} has no {name}"
            yield f"{path}{name}"
    for name, part in owner.parts.items():
        (inner,) = _structs(names[name])
        yield from _columns(part, inner, f"{path}{name}.")


def _structs(hint: Any) -> list[Any]:
    if isinstance(hint, type) and issubclass(hint, upstream_rows.Row):
        return [hint]
    return list(dict.fromkeys(found for inner in typing.get_args(hint) for found in _structs(inner)))
