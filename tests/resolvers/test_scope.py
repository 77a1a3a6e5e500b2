"""A walk over the whole schema as a caller of one group: no value of another comes out, wherever one looks.

What is whose is found out here from the raw rows of the upstream, by rules written down once more.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from schema.graph import schema
from tests.audience import Audience, of_groups
from tests.resolvers.everything import Everything
from tests.stand import Sandbox
from upstream import reports
from upstream.call import Call
from upstream.interval import Frame, Interval, resolve

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
    """What is whose, of all that the upstream tells of a period and of these games."""

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


# Ids of movements, logs, tickets and prizes are counted alike, so that it takes the field to tell them apart; elsewhere
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


def words(answer: Any, kind: str = "", name: str = "") -> Iterator[tuple[str, str]]:
    """Every value of an answer, and every word of its texts, each with the kinds that it may be of."""
    if isinstance(answer, dict):
        kind = answer.get("__typename", kind)
        for key, value in answer.items():
            field = key if key.startswith("__") else key.rpartition("__")[2]
            yield from words(value, kind, field if name != "parameters" else name)
    elif isinstance(answer, list):
        for value in answer:
            yield from words(value, kind, name)
    elif isinstance(answer, str):
        if name in ("nodeId", "cursor", "startCursor", "endCursor"):
            of, *parts = json.loads(base64.urlsafe_b64decode(answer + "=" * (-len(answer) % 4)))
            for part in parts:
                yield from ((each, str(part).lstrip("-")) for each in OPAQUE.get(of, KINDS))
        else:
            for each in FIELDS.get((kind, name), KINDS):
                yield each, answer
                yield from ((each, word) for word in re.findall(r"[\w.-]+", answer))
    elif isinstance(answer, int) and name == "parameters":
        # Elsewhere a number is a count, a price or a place, which may look like somebody's id.
        yield from ((each, str(answer)) for each in KINDS)


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
        interval = resolve(Frame.TODAY, audience.graph.now, audience.graph.zone)
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
            {"during": HALF_HOUR, "first": "4"},
        )
        queries = list(everything.queries())
        answers = [await audience.ask(query, **variables) for query, variables in queries]
        owned = await belongings(audience, interval, set().union(*map(ids_of_games, answers)))
        yield Walk(audience, everything, queries, answers, owned)


async def test_no_value_of_another_group_comes_out(walk: Walk) -> None:
    assert all("data" in answer for answer in walk.answers)
    assert walk.everything.asked == walk.everything.fields(), "the walk asks for every field of the schema"
    told_all = {word for answer in walk.answers for word in words(answer)}
    for group in (382, 383):
        others, own = walk.owned.of_others(group), walk.owned.of(group)
        assert {kind for kind, _ in told_all & others} == set(KINDS), "the walk finds what is to be hidden"
        seen: set[tuple[str, str]] = set()
        for query, variables in walk.queries:
            for explain in (True, False) if group == 383 else (False,):
                answer = await walk.audience.ask(query, of_groups(group), explain, **variables)
                told = set(words(answer))
                assert sorted(told & others) == [], f"in the answer to {query[:80]} {variables}"
                seen |= told
        assert {kind for kind, _ in seen & own} == set(KINDS), "a caller sees what is its own"
