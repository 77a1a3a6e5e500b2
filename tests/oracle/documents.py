"""Random documents over the whole graph, valid by construction, from one seed."""

import datetime
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from graphql import (
    GraphQLArgument,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_list_type,
    is_non_null_type,
)

from tests.oracle.business import ALIKE, DAYS, GROUPS, NOW, ROOMS, UTC, ZONES, Business
from tests.oracle.evaluator import DAY, Opaque
from tests.oracle.graph import ENTITIES, GRAPH

MOST_FIELDS = 45
FRAMES = ("TODAY", "YESTERDAY", "THIS_WEEK", "LAST_WEEK", "THIS_MONTH", "LAST_MONTH", "THIS_YEAR")
PAGE_INFO = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
STATUSES = ("SELLING", "PLAYING", "PLAYED", "NOT_PLAYED", "CANCELLED", "PRESELLING")
SEARCHES = ("a", "o", "JO", "sam", "\u00a0", " ", "ana", "ñ", "zz", "\u200d", '"the"', "e", "é", "i")


# Fields that the documents of a stand prefer, so that some stands look closely at one part of the graph.
FOCUS: dict[str, frozenset[str]] = {
    "all": frozenset(),
    "logs": frozenset({"gameLogs", "user", "users", "_entities", "userCode", "createdAt", "id"}),
    "movements": frozenset({"transactions", "user", "users", "financialMovements", "timestamp", "amount", "id"}),
    "days": frozenset({"dailyMovements", "group", "groups", "date", "net", "transactions"}),
    "games": frozenset({"game", "games", "rooms", "room", "gamesOnSale", "prizes", "winners", "jackpot", "tickets"}),
}


class Enum(str):
    """A name of an enum, which a document writes without quotes."""


def literal(value: Any) -> str:
    """A value as a document writes it."""
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {literal(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _changes(day: datetime.date, zone: ZoneInfo) -> bool:
    """Return whether the clock of a zone is changed on a day."""
    noons = (datetime.datetime.combine(day + n * DAY, datetime.time(12), tzinfo=zone) for n in (-1, 0))
    return len({noon.utcoffset() for noon in noons}) == 2


@dataclass
class Question:
    """A document with its variables. `page` is the path of the connection that `$after` pages, if there is one."""

    text: str
    variables: dict[str, Any] = field(default_factory=dict)
    page: tuple[str, ...] | None = None


class Documents:
    """Makes documents about one business. `avoid` names kinds of question that are left out."""

    def __init__(
        self,
        chance: random.Random,
        business: Business,
        zones: list[str],
        opaque: Opaque,
        focus: str,
        avoid: frozenset[str],
    ) -> None:
        self.chance = chance
        self.business = business
        self.zones = [ZoneInfo(name) for name in zones]
        self.business_zone = self.zones[0]
        self.opaque = opaque
        self.avoid = avoid
        self.focus = FOCUS[focus]
        self.changes = [day for day in DAYS if any(map(partial(_changes, day), self.zones))]

    def next(self) -> Question:
        """The next document."""
        kind = self.chance.random()
        if kind < 0.12:
            return self._walk()
        if kind < 0.2:
            return self._nodes()
        if kind < 0.35:
            return self._edge()
        if kind < 0.6:
            return self._added_up()
        self._begin()
        roots = self.chance.choice((1, 1, 1, 2, 3))
        body = self._selection(GRAPH.query_type, 0, roots)
        return self._question(body)

    def _begin(self) -> None:
        self.left = self.chance.randint(4, MOST_FIELDS)
        self.aliases = 0
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}
        self.fragments: list[str] = []

    def _question(self, body: str, page: tuple[str, ...] | None = None) -> Question:
        head = f"({', '.join(self.declared)})" if self.declared else ""
        return Question("\n".join([f"query Q{head} {body}", *self.fragments]), self.variables, page)

    def _walk(self) -> Question:
        """A list that is read page by page: the runner fills $after from the page before."""
        self._begin()
        self.declared = ["$after: String"]
        self.variables = {"after": None}
        first = self.chance.randint(1, 9)
        period = self._period()
        chance = self.chance
        group = chance.choice(GROUPS[3:7]).id
        user = chance.choice(self.business.users).id
        field_, kind, path = chance.choice(
            [
                ("groups(%s)", "Group", ("groups",)),
                ("users(%s)", "User", ("users",)),
                (f"games(during: {literal(period)}, %s)", "Game", ("games",)),
                (f"gameLogs(during: {literal(period)}, %s)", "GameLog", ("gameLogs",)),
                (f"financialMovements(during: {literal(period)}, %s)", "FinancialMovement", ("financialMovements",)),
                (f"group(id: {group}) {{ transactions(during: {literal(period)}, %s)", "Transaction",
                 ("group", "transactions")),
                (f"user(id: {user}) {{ transactions(during: {literal(period)}, %s)", "Transaction",
                 ("user", "transactions")),
                (f"user(id: {user}) {{ gameLogs(during: {literal(period)}, %s)", "GameLog", ("user", "gameLogs")),
            ]
        )  # fmt: skip
        self.left = 6
        items = self._selection(GRAPH.type_map[kind], 3)
        wanted = chance.choice((f"nodes {items}", f"edges {{ cursor node {items} }}"))
        where = ""
        if kind in ("Transaction", "GameLog", "Game", "FinancialMovement") and chance.random() < 0.5:
            where = f"where: {literal(self._where(f'{kind}Where'))}, "
        text = field_ % f"{where}first: {first}, after: $after"
        body = f"{{ {text} {{ totalCount {wanted} {PAGE_INFO} }} }}"
        return self._question(body + (" }" if len(path) > 1 else ""), path)

    def _edge(self) -> Question:
        """A document that looks where rows are easily lost or mixed up: alike names, changed clocks, shared ids."""
        self._begin()
        chance = self.chance
        period = literal(self._period())
        if self.changes and chance.random() < 0.5:
            day = chance.choice(self.changes).isoformat()
            period = literal({"dates": {"from": day, "to": day}})
        logs = f"gameLogs(during: {period}) {{ totalCount nodes {{ id agentCode userCode createdAt user {{ id }} }} }}"
        moves = f"transactions(during: {period}) {{ nodes {{ id timestamp amount }} }}"
        user, group = chance.choice(ALIKE), chance.choice(GROUPS).id
        users = json.dumps([str(id) for id in chance.sample(ALIKE, chance.randint(2, 6))])
        # Ids of logs that several agents have, if the business has such.
        counts = Counter(log.id for log in self.business.logs if log.game_type == "slot")
        ids = sorted(id for id in counts if counts[id] == max(counts.values()))
        references = [{"__typename": "GameLog", "id": str(chance.choice(ids))} for _ in range(2)]
        each = chance.choice((logs, moves, f"{logs} {moves}"))
        return self._question(
            chance.choice(
                (
                    f"{{ {logs} }}",
                    f"{{ user(id: {user}) {{ {each} }} }}",
                    f"{{ users(ids: {users}) {{ nodes {{ id username {each} }} }} }}",
                    f"{{ group(id: {group}) {{ users {{ nodes {{ id {each} }} }} }} }}",
                    f"{{ group(id: {group}) {{ {moves} }} }}",
                    f"{{ _entities(representations: {literal(references)}) {{ ... on GameLog {{ id agentCode }} }} }}",
                )
            )
        )

    def _added_up(self) -> Question:
        """A list of one or many parents with its totals and several kinds of buckets."""
        self._begin()
        chance = self.chance
        name, kind = chance.choice(
            (
                ("transactions", "Transaction"), ("transactions", "Transaction"), ("gameLogs", "GameLog"),
                ("games", "Game"), ("financialMovements", "FinancialMovement"), ("dailyTotals", ""),
            )
        )  # fmt: skip
        owners = {
            "transactions": ("Group", "User"), "gameLogs": ("Query", "Query", "User"), "games": ("Query", "Room"),
            "financialMovements": ("Query", "Group"), "dailyTotals": ("Group",),
        }[name]  # fmt: skip
        owner = chance.choice(owners)
        self.left = 30
        parts = []
        for place in range(chance.choice((1, 1, 1, 2))):
            given = []
            if chance.random() < 0.9:
                day = self.changes and chance.random() < 0.3 and chance.choice(self.changes).isoformat()
                given.append(f"during: {literal({'dates': {'from': day, 'to': day}} if day else self._period())}")
            if kind and chance.random() < 0.35:
                given.append(f"where: {literal(self._where(f'{kind}Where'))}")
            if name == "dailyTotals" and chance.random() < 0.8:
                given.append(f"by: {chance.choice(('DAY', 'WEEK', 'MONTH', 'YEAR', 'null'))}")
            if owner == "User" and name == "transactions" and chance.random() < 0.4:
                given.append(f"inGroup: {chance.choice(GROUPS).id}")
            if owner == "Query" and name == "games" and chance.random() < 0.5:
                given.append(f"roomId: {chance.choice(list(ROOMS))}")
            if owner == "Query" and name == "financialMovements" and chance.random() < 0.5:
                given.append(f"groupId: {chance.choice(GROUPS).id}")
            if name == "dailyTotals":
                body = self._selection(GRAPH.type_map["DailyTotals"], 3, chance.choice((2, 3, 8)))
            else:
                body = self._adding(GRAPH.type_map[f"{kind}Connection"], 3)
            arguments = f"({', '.join(given)})" if given else ""
            parts.append(f"l{place}: {name}{arguments} {body}")
        return self._question(self._below(owner, " ".join(parts)))

    def _below(self, owner: str, lists: str) -> str:
        """Return a document of lists of one entity, or of many."""
        chance = self.chance
        if owner == "Query":
            return f"{{ {lists} }}"
        if owner == "Group":
            several = json.dumps([str(group.id) for group in chance.sample(GROUPS, 4)])
            one, many = f"group(id: {chance.choice(GROUPS[3:]).id})", f"groups(ids: {several})"
        elif owner == "User":
            several = json.dumps([str(user.id) for user in chance.sample(self.business.users, 5)])
            group = chance.choice(GROUPS[3:7]).id
            one, many = f"user(id: {chance.choice(self.business.users).id})", f"users(ids: {several})"
            if chance.random() < 0.3:
                return f"{{ group(id: {group}) {{ users {{ nodes {{ id {lists} }} }} }} }}"
        else:
            one, many = f"room(id: {chance.choice(list(ROOMS))})", f"rooms(during: {literal(self._period())})"
        if chance.random() < 0.5:
            return f"{{ {one} {{ {lists} }} }}"
        return f"{{ {many} {{ id {lists} }} }}" if owner == "Room" else f"{{ {many} {{ nodes {{ id {lists} }} }} }}"

    def _adding(self, kind: Any, depth: int) -> str:
        """Return a selection of a list with its totals, its buckets, or both."""
        chance = self.chance
        parts = []
        for name in chance.choice((("totals",), ("buckets",), ("totals", "buckets"), ("buckets", "buckets"))):
            text = self._field(kind, name, depth)
            if text.startswith(name):
                self.aliases += 1
                text = f"t{self.aliases}: {text}"
            parts.append(text)
        if chance.random() < 0.3:
            parts.append("totalCount")
        if chance.random() < 0.2:
            node = get_named_type(kind.fields["nodes"].type)
            parts.append(f"nodes {self._selection(node, depth + 1)}")
        chance.shuffle(parts)
        return "{ " + " ".join(parts) + " }"

    def _nodes(self) -> Question:
        """Entities by the nodeIds of earlier answers."""
        self._begin()
        known = [text for text, meaning in self.opaque.meaning.items() if meaning[0] == "node"]
        if not known:
            return self.next()
        parts = []
        for place, id in enumerate(self.chance.sample(known, min(3, len(known)))):
            self.declared.append(f"$n{place}: ID!")
            self.variables[f"n{place}"] = id
            kind = self.opaque.meaning[id][1]
            self.left = 8
            parts.append(
                f"n{place}: node(nodeId: $n{place}) {{ __typename nodeId "
                f"... on {kind} {self._selection(GRAPH.type_map[kind], 2)} }}"
            )
        return self._question("{ " + " ".join(parts) + " }")

    # Selections

    def _selection(self, kind: Any, depth: int, most: int | None = None) -> str:
        chance = self.chance
        if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
            names = chance.sample(ENTITIES, 3)
            parts = [f"... on {name} {self._selection(GRAPH.type_map[name], depth)}" for name in names]
            return "{ __typename " + " ".join(parts) + " }"
        assert isinstance(kind, GraphQLObjectType)
        names = [name for name in kind.fields if self._wanted(kind.name, name, depth)]
        chance.shuffle(names)
        if chance.random() < 0.6:
            names.sort(key=lambda name: name not in self.focus)
        count = most or chance.choice((1, 2, 2, 3, 4, 6, 9))
        parts = []
        if chance.random() < 0.1 and kind is not GRAPH.query_type:
            parts.append("__typename")
        for name in names[:count]:
            if self.left <= 0 and parts:
                break
            self.left -= 1
            parts.append(self._field(kind, name, depth))
        if not parts:
            parts = ["__typename"]
        if len(parts) > 1 and chance.random() < 0.12:
            cut = chance.randint(1, len(parts) - 1)
            parts[cut:] = [self._fragment(kind.name, parts[cut:])]
        return "{ " + " ".join(parts) + " }"

    def _wanted(self, kind: str, name: str, depth: int) -> bool:
        type_: Any = GRAPH.type_map[kind]
        field = type_.fields[name]
        leaf = not hasattr(get_named_type(field.type), "fields") and name != "_entities"
        if depth >= 6 and not leaf:
            return False
        # A node needs a nodeId, which `_nodes` has.
        return name != "node"

    def _fragment(self, kind: str, parts: list[str]) -> str:
        body = "{ " + " ".join(parts) + " }"
        if self.chance.random() < 0.5:
            return f"... {self.chance.choice((f'on {kind} ', ''))}{self._directive()}{body}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {kind} {body}")
        return f"...{name}{self._directive()}"

    def _directive(self) -> str:
        if self.chance.random() > 0.3:
            return ""
        name, value = self.chance.choice(("skip", "include")), self.chance.random() < 0.5
        if self.chance.random() < 0.5:
            return f" @{name}(if: {json.dumps(value)}) "
        return f" @{name}(if: {self._variable('Boolean!', value)}) "

    def _variable(self, kind: str, value: Any) -> str:
        name = f"$v{len(self.declared)}"
        self.declared.append(f"{name}: {kind}")
        self.variables[name.removeprefix("$")] = value
        return name

    def _field(self, kind: GraphQLObjectType, name: str, depth: int) -> str:
        chance = self.chance
        field = kind.fields[name]
        arguments = []
        for argument, about in field.args.items():
            if argument == "where":
                value = self._where(str(about.type)) if chance.random() < 0.4 else None
            else:
                value = self._argument(kind.name, name, argument, about, depth)
            if value is None:
                continue
            if chance.random() < 0.25:
                arguments.append(f"{argument}: {self._variable(str(about.type), value)}")
            else:
                arguments.append(f"{argument}: {literal(value)}")
        alias = ""
        if chance.random() < 0.12:
            self.aliases += 1
            alias = f"a{self.aliases}: "
        text = f"{alias}{name}" + (f"({', '.join(arguments)})" if arguments else "")
        if chance.random() < 0.04:
            text += self._directive()
        target = get_named_type(field.type)
        if isinstance(target, GraphQLObjectType | GraphQLUnionType | GraphQLInterfaceType):
            if target.name.endswith(("Bucket", "Totals", "BucketKey", "Sum")):
                # Their parts are few, and belong together.
                return f"{text} {self._selection(target, depth + 1, chance.choice((2, 8, 8)))}"
            if target.name.endswith("Connection"):
                return f"{text} {self._connection(target, depth)}"
            return f"{text} {self._selection(target, depth + 1)}"
        return text

    def _connection(self, kind: Any, depth: int) -> str:
        chance = self.chance
        node = get_named_type(kind.fields["nodes"].type)
        parts = []
        if chance.random() < 0.75:
            parts.append(f"nodes {self._selection(node, depth + 1)}")
        if chance.random() < 0.3 or not parts:
            parts.append(f"edges {{ cursor node {self._selection(node, depth + 1)} }}")
        if chance.random() < 0.4:
            parts.append("totalCount")
        if chance.random() < 0.25:
            parts.append(PAGE_INFO)
        added = [name for name in ("totals", "buckets") if name in kind.fields and chance.random() < 0.15]
        parts += [self._field(kind, name, depth) for name in added]
        chance.shuffle(parts)
        return "{ " + " ".join(parts) + " }"

    # Arguments

    def _argument(self, kind: str, name: str, argument: str, about: GraphQLArgument, depth: int) -> Any:
        chance = self.chance
        required = is_non_null_type(about.type)
        if argument == "first":
            return self._first(name, depth)
        if argument == "after":
            # A cursor stands for a row: it leads on in the same list only, which the walks read.
            return chance.choice(("bm8", "")) if chance.random() < 0.01 else None
        if argument == "during":
            return self._period() if chance.random() < 0.85 else None
        if argument == "representations":
            return [self._representation() for _ in range(chance.randint(1, 5))]
        if name == "buckets":
            return self._of_buckets(argument, about)
        if not required and chance.random() < 0.6:
            return None
        if name == "dailyTotals":
            return Enum(chance.choice(("DAY", "WEEK", "MONTH", "YEAR")))
        if argument == "username":
            found = chance.choice((*SEARCHES, chance.choice(self.business.users).name))
            return found if found.isprintable() or "unusual names" not in self.avoid else "a"
        if argument == "status":
            return Enum(chance.choice(STATUSES)) if chance.random() < 0.95 else Enum("UNKNOWN")
        if argument == "gameType":
            return chance.choice(("slot", "slot", "live", "nope"))
        pool = self._ids(name, argument)
        if pool is None:
            raise NotImplementedError(f"{kind}.{name}({argument})")
        if is_list_type(about.type):
            return [str(chance.choice(pool)) for _ in range(chance.randint(0, 6))] + (
                ["999999"] if chance.random() < 0.1 else []
            )
        fate = chance.random()
        if fate < 0.05:
            return "999999"
        if fate < 0.07:
            return chance.choice(("abc", "0", "-1", "1e3", "9223372036854775808"))
        return str(chance.choice(pool))

    def _first(self, name: str, depth: int) -> int | None:
        """Return the size of a page, or the number of buckets."""
        chance = self.chance
        if name == "buckets":
            return chance.choice((None, None, None, 0, 1, 2, 5, 1000)) if chance.random() < 0.98 else 1001
        if chance.random() < 0.01:
            return chance.choice((-1, 1001))
        most = (chance.choice((3, 40, 1000)), 8, 4, 3, 2, 2, 2)[min(depth, 6)]
        if depth == 0 and chance.random() < 0.4:
            return None
        return 0 if chance.random() < 0.03 else chance.randint(1, most)

    def _of_buckets(self, argument: str, about: GraphQLArgument) -> Any:
        """Return a key of one to three parts, which may be repeated, or an order."""
        chance = self.chance
        kind: Any = get_named_type(about.type)
        if argument == "by":
            most = 0 if chance.random() < 0.02 else chance.choice((1, 1, 2, 3))
            return [Enum(chance.choice(sorted(kind.values))) for _ in range(most)]
        return None if chance.random() < 0.4 else Enum(chance.choice(sorted(kind.values)))

    def _where(self, kind: str) -> dict[str, Any]:
        """Return conditions that some rows meet."""
        chance, business = self.chance, self.business
        movement, log = chance.choice(business.movements), chance.choice(business.logs)
        game, financial = chance.choice(business.games), chance.choice(business.financial)
        users = [user.id for user in business.users]
        games = [game.id for game in business.games]
        groups = [group.id for group in GROUPS]
        conditions: dict[str, Callable[[], dict[str, Any]]] = {
            "TransactionWhere": lambda: {
                "type": self._text(movement.kind), "amount": self._number(movement.amount),
                "user": self._id_in(users), "group": self._id_in(groups), "game": self._id_in(games),
                "ticket": {"eq": movement.ticket or "1"}, "currency": self._text("Real USD"),
            },
            "GameLogWhere": lambda: {
                "provider": self._text(log.provider), "game": self._text(log.game), "type": self._text(log.kind),
                "userCode": self._text(log.code), "bet": self._number(log.bet), "win": self._number(log.win),
            },
            "GameWhere": lambda: {
                "status": Enum(chance.choice(STATUSES)), "room": self._id_in(list(ROOMS)),
                "configuration": self._id_in([game.configuration[0] for game in business.games]),
                "wagered": self._number(game.wagered), "paid": self._number(game.paid),
            },
            "FinancialMovementWhere": lambda: {
                "type": [chance.choice((1, 3, 100)) for _ in range(chance.randint(0, 2))],
                "subtype": [financial.subtype], "group": self._id_in(groups), "user": self._id_in(users),
                "game": self._id_in(games), "amount": self._number(financial.amount),
            },
        }  # fmt: skip
        drawn = conditions[kind]()
        names = chance.sample(sorted(drawn), chance.choice((0, 1, 1, 1, 2)))
        return {name: drawn[name] for name in names}

    def _id_in(self, pool: list[Any]) -> dict[str, Any]:
        chance = self.chance
        if chance.random() < 0.05:
            return chance.choice(({}, {"eq": "abc"}, {"in": []}, {"eq": "999999"}))
        if chance.random() < 0.5:
            return {"eq": str(chance.choice(pool))}
        return {"in": [str(chance.choice(pool)) for _ in range(chance.randint(1, 6))]}

    def _text(self, value: str) -> dict[str, Any]:
        chance = self.chance
        return chance.choice(
            ({"eq": value}, {"in": [value, "x"]}, {"startsWith": value[: chance.randint(0, 3)]},
             {"startsWith": value[:2], "eq": value})
        )  # fmt: skip

    def _number(self, value: str) -> dict[str, Any]:
        chance = self.chance
        return {chance.choice(("eq", "lt", "lte", "gt", "gte")): chance.choice((value, f"{value}0", "1", "-1.5"))}

    def _ids(self, name: str, argument: str) -> list[Any] | None:
        """Return the ids that an argument of a field may name; None if it names no entity."""
        if argument in ("groupId", "inGroup") or (argument in ("id", "ids") and name.startswith("group")):
            return [group.id for group in GROUPS]
        if argument in ("id", "ids") and name.startswith("user"):
            return [*(user.id for user in self.business.users), *ALIKE]
        if argument == "roomId" or (argument == "id" and name == "room"):
            return list(ROOMS)
        return [game.id for game in self.business.games] if argument == "id" else None

    def _representation(self) -> dict[str, Any]:
        chance = self.chance
        kind = chance.choice(ENTITIES)
        pools: dict[str, list[Any]] = {
            "Group": [group.id for group in GROUPS],
            "User": [user.id for user in self.business.users],
            "Room": list(ROOMS),
            "Game": [game.id for game in self.business.games],
            "Transaction": [row.id for row in self.business.movements],
            "GameLog": [log.id for log in self.business.logs],
        }
        id = str(chance.choice(pools[kind])) if chance.random() < 0.92 else chance.choice(("999999", "abc"))
        return {"__typename": kind, "id": id}

    def _period(self) -> dict[str, Any]:
        chance = self.chance
        kind = chance.random()
        if kind < 0.4:
            return {"frame": Enum(chance.choice(FRAMES))}
        if kind < 0.7:
            first = chance.choice(self.changes if self.changes and chance.random() < 0.35 else DAYS)
            last = min(first + datetime.timedelta(days=chance.choice((0, 0, 0, 1, 6, 30))), datetime.date(2026, 12, 1))
            if chance.random() < 0.02:
                first, last = last + datetime.timedelta(days=1), first
            return {"dates": {"from": first.isoformat(), "to": last.isoformat()}}
        start, until = sorted((self._instant(), self._instant()))
        if start == until and chance.random() < 0.9:
            until += datetime.timedelta(hours=chance.randint(1, 30))
        return {"between": {"from": self._written(start), "until": self._written(until)}}

    def _instant(self) -> datetime.datetime:
        chance = self.chance
        kind = chance.random()
        if kind < 0.5:
            zone = chance.choice(self.zones) if chance.random() < 0.8 else ZoneInfo(chance.choice(ZONES))
            return datetime.datetime.combine(chance.choice(DAYS), datetime.time(), tzinfo=zone).astimezone(UTC)
        if kind < 0.75:
            return chance.choice(self.business.movements).at + datetime.timedelta(seconds=chance.choice((-1, 0, 0, 1)))
        if kind < 0.9:
            return chance.choice(self.business.logs).at + datetime.timedelta(milliseconds=chance.choice((-1, 0, 1)))
        return NOW.replace(microsecond=0) - datetime.timedelta(minutes=chance.randint(1, 20_000))

    def _written(self, at: datetime.datetime) -> str:
        return at.astimezone(self.chance.choice((ZoneInfo("UTC"), self.business_zone))).isoformat()
