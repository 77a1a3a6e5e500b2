"""The reference: it answers GraphQL documents from the business by the contract alone, without any upstream.

graphql-core, the reference implementation of the language, executes the document; every value below is the oracle's
own. Values that are opaque to clients (`nodeId`, cursors) are written as marked texts, and `compare.py` learns what the
product wrote instead. `Opaque` then knows the meaning of an `after` or a `nodeId` of the product.
"""

import datetime
import decimal
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any
from zoneinfo import ZoneInfo

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLSkipDirective,
    default_field_resolver,
    execute_sync,
    get_directive_values,
    parse,
)

from tests.oracle.business import (
    ADMIN,
    AGENT_OF_GROUP,
    ON_SALE,
    ROOMS,
    SIGNED,
    STATUSES,
    UTC,
    Business,
    Daily,
    Financial,
    Game,
    Group,
    Jackpot,
    Log,
    Movement,
    Prize,
    SalePrize,
    Ticket,
    User,
    Win,
    code_of,
    totals,
)
from tests.oracle.graph import GRAPH
from tests.oracle.totals import Rows, calendar
from tests.oracle.upstreams import System, contains, fold

MARK = "\x00"
DAY = datetime.timedelta(days=1)
UTC_START = datetime.datetime(1970, 1, 1, tzinfo=UTC)
MOST = 1000
DEFAULT_FIRST = 100
TYPES = {1: "Wager transaction", 3: "Refund transaction", 100: "API transaction"}
SUBTYPES = {
    (1, 1): "Bingo Transaction",
    (3, 1): "Bingo Transaction",
    (3, 2): "API refund due to cancellation",
    (100, 2): "Credit Prepaid Bingo Winning",
    (100, 3): "Credit Ticket Commission",
    (100, 5): "Credit Ticket Commission Refund",
}


@dataclass
class Opaque:
    """The meaning of nodeIds and cursors of the product, learnt from correct answers."""

    meaning: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def learn(self, text: str, mark: str) -> str | None:
        """Record the meaning of a text. Return a complaint if it had another meaning before."""
        meaning = tuple(mark.removeprefix(MARK).split("\x1f"))
        known = self.meaning.setdefault(text, meaning)
        return None if known == meaning else f"{text} means {known} and {meaning}"


def mark(*parts: object) -> str:
    """Return a marked text instead of an opaque one."""
    return MARK + "\x1f".join(map(str, parts))


@dataclass(frozen=True)
class View:
    """The caller, the moment of the query, and the time zones."""

    zone: ZoneInfo
    now: datetime.datetime
    code_from: str = "username"
    agents: bool = True  # groups have agents of their own
    groups: frozenset[int] | None = None  # those that the caller may see


# Objects of the graph that are no rows.


@dataclass(frozen=True)
class Room:
    id: int
    name: str | None


@dataclass(frozen=True)
class Configuration:
    id: int
    name: str
    key: int


@dataclass(frozen=True)
class CardWin:
    win: Win
    prize: str


@dataclass(frozen=True)
class JackpotWin:
    """A winner of the jackpot. The only report that has it has neither a name nor a bonus."""

    win: Win


@dataclass(frozen=True)
class WonPrize:
    id: int
    name: str
    amount: str


@dataclass(frozen=True)
class TicketWin:
    card: str
    prizes: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class Party:
    user: int
    group: int


@dataclass(frozen=True)
class Card:
    id: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Interval:
    start: datetime.datetime
    end: datetime.datetime
    days: tuple[datetime.date, datetime.date] | None = None

    def holds(self, at: datetime.datetime) -> bool:
        return self.start <= at < self.end


def bad(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})


def not_found() -> GraphQLError:
    return GraphQLError("There is no such thing.", extensions={"code": "NOT_FOUND"})


NAMES: dict[type, str] = {
    Group: "Group", User: "User", Room: "Room", Game: "Game", Movement: "Transaction", Log: "GameLog",
}  # fmt: skip


def _days_of(interval: Interval, zone: ZoneInfo) -> list[tuple[datetime.date, datetime.datetime]] | None:
    """The days that an interval is made of on the clock of a zone, with their starts; None if one is not whole."""
    found, day = [], interval.start.astimezone(zone).date()
    while (start := datetime.datetime.combine(day, datetime.time(), tzinfo=zone).astimezone(UTC)) < interval.end:
        found.append((day, start))
        day += DAY
    return found if found[0][1] == interval.start and start == interval.end else None


def _selected(info: Any) -> set[str]:
    """The fields that are selected of an object, its fragments written out."""
    variables, found, waiting = info.variable_values, set(), [node.selection_set for node in info.field_nodes]
    while waiting:
        for node in waiting.pop().selections:
            if (skip := get_directive_values(GraphQLSkipDirective, node, variables)) and skip["if"]:
                continue
            if (include := get_directive_values(GraphQLIncludeDirective, node, variables)) and not include["if"]:
                continue
            if isinstance(node, FieldNode):
                found.add(node.name.value)
            elif isinstance(node, FragmentSpreadNode):
                waiting.append(info.fragments[node.name.value].selection_set)
            else:
                waiting.append(node.selection_set)
    return found


# The conditions that compare numbers, and those that compare ids as numbers.
AMOUNTS = frozenset({"amount", "bet", "win", "wagered", "paid"})
IDS = frozenset({"user", "group", "game", "room", "configuration"})
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge,
    "in": lambda value, given: value in given, "startsWith": lambda value, given: value.startswith(given),
}  # fmt: skip


def _holds(value: Any, given: dict[str, Any], amounts: bool, ids: bool) -> bool:
    """Return whether all operators of a condition hold for a value."""
    read: Callable[[Any], Any] = decimal.Decimal if amounts else str
    if ids and not isinstance(value, str):
        read = int
    return all(
        OPERATORS[name](read(value), [read(each) for each in operand] if name == "in" else read(operand))
        for name, operand in given.items()
    )


class Oracle:
    """Answers the documents of one caller at one moment."""

    def __init__(self, system: System, view: View, opaque: Opaque) -> None:
        self.system = system
        self.business: Business = system.business
        self.view = view
        self.opaque = opaque
        self.where: dict[str, Any] | None = None  # the conditions of the list that is being read
        self.ids: frozenset[str] = IDS  # those of its conditions that compare ids
        self.bags: set[str] = set()  # the paths of lists of prizes, whose instances of one prize have no order

    def answer(self, document: str, variables: dict[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
        """The data, with marks, and the errors as sorted (path, code)."""
        result = execute_sync(
            GRAPH,
            parse(document),
            variable_values=variables,
            field_resolver=self._resolve,
            type_resolver=lambda value, info, kind: NAMES[type(value)],
        )
        errors = []
        for error in result.errors or []:
            if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
                raise error.original_error
            path = ".".join(map(str, error.path or []))
            errors.append((path, (error.extensions or {}).get("code", "BAD_USER_INPUT")))
        return result.data, sorted(errors)

    def _resolve(self, source: Any, info: Any, **arguments: Any) -> Any:
        name = f"{info.parent_type.name}_{info.field_name}".lstrip("_")
        if name == "Game_prizes":
            self.bags.add(".".join(map(str, info.path.as_list())))
        if name in ("Group_dailyMovements", "Group_dailyTotals"):
            arguments["selected"] = _selected(info)
        if name.endswith(("Connection_totals", "Connection_buckets")):
            return self._added_up(source, info.parent_type.name.removesuffix("Connection"), **arguments)
        method: Callable[..., Any] | None = getattr(self, name, None)
        if method is None:
            return default_field_resolver(source, info, **arguments)
        given = () if info.parent_type.name == "Query" else (source,)
        self.where = arguments.pop("where", None)
        self.ids = IDS - {"game"} if info.field_name == "gameLogs" else IDS  # the game of a log is a code
        if not self.where:
            return method(*given, **arguments)
        try:
            nothing = self._checked_where(self.where) or self._contradicted(source, arguments)
            return method(*given, **arguments)
        except GraphQLError as error:
            if (error.extensions or {}).get("code") == "BAD_USER_INPUT" or not nothing:
                raise
            # Nothing can meet the conditions, so nothing is read.
            return self._page("", [], lambda row: (), 0, None)
        finally:
            self.where = None

    # What a caller may see.

    def _group_visible(self, id: int | None) -> bool:
        return self.view.groups is None or id in self.view.groups

    def _user_visible(self, id: int | None) -> bool:
        if self.view.groups is None:
            return True
        user = self.business.user(id)
        return user is not None and user.group in self.view.groups

    def _seen_user(self, id: int | None) -> User | None:
        return self.business.user(id) if self._user_visible(id) else None

    def _seen_group(self, id: int | None) -> Group | None:
        return self.business.group(id) if self._group_visible(id) else None

    # Times.

    def _time(self, at: datetime.datetime | None) -> str | None:
        return None if at is None else at.astimezone(self.view.zone).isoformat()

    def _midnight(self, day: datetime.date) -> datetime.datetime:
        return datetime.datetime.combine(day, datetime.time(), tzinfo=self.view.zone).astimezone(UTC)

    def _days(self, first: datetime.date, last: datetime.date) -> Interval:
        return Interval(self._midnight(first), self._midnight(last + DAY), (first, last))

    def interval(self, during: dict[str, Any] | None, default: str = "TODAY") -> Interval:
        """The half-open interval of a period."""
        during = during or {"frame": default}
        if "dates" in during:
            try:
                first, last = (datetime.date.fromisoformat(during["dates"][name]) for name in ("from", "to"))
            except ValueError:
                raise bad("no day") from None
            if first > last:
                raise bad("the first day is after the last")
            return self._days(first, last)
        if "between" in during:
            start, end = (datetime.datetime.fromisoformat(during["between"][name]) for name in ("from", "until"))
            if start >= end:
                raise bad("an interval ends after its start")
            return Interval(start.astimezone(UTC), end.astimezone(UTC))
        today = self.view.now.astimezone(self.view.zone).date()
        monday, month = today - today.weekday() * DAY, today.replace(day=1)
        first, last = {
            "TODAY": (today, today),
            "YESTERDAY": (today - DAY, today - DAY),
            "THIS_WEEK": (monday, today),
            "LAST_WEEK": (monday - 7 * DAY, monday - DAY),
            "THIS_MONTH": (month, today),
            "LAST_MONTH": ((month - DAY).replace(day=1), month - DAY),
            "THIS_YEAR": (today.replace(month=1, day=1), today),
        }[during["frame"]]
        return self._days(first, last)

    # Arguments.

    def _id(self, text: Any) -> int:
        text = str(text)
        if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) < 1 << 63):
            raise bad("ids are whole numbers")
        return int(text)

    def _optional_id(self, text: Any) -> int | None:
        return None if text is None else self._id(text)

    def _page(
        self, name: str, rows: Iterable[Any], key: Callable[[Any], tuple[Any, ...]], first: int | None, after: Any
    ) -> dict[str, Any]:
        ordered = sorted(rows, key=key)
        keys: list[tuple[Any, ...]] = []
        seen: Counter[tuple[str, ...]] = Counter()
        for row in ordered:  # a running number distinguishes rows of one key
            place = (name, *map(str, key(row)))
            keys.append((*place, str(seen[place])))
            seen[place] += 1
        start = 0
        met = [self._meets(row) for row in ordered] if self.where else [True] * len(ordered)
        if after is not None:
            meaning = self.opaque.meaning[after]
            places = [place for place, each in enumerate(keys) if each == meaning]
            assert places, "the row of a cursor is still there"
            start = sum(met[: places[0] + 1])
        keys, ordered = list(compress(keys, met)), list(compress(ordered, met))
        stop = min(start + (DEFAULT_FIRST if first is None else first), len(ordered))
        cursors = [mark(*each) for each in keys[start:stop]]
        nodes = ordered[start:stop]
        return {
            "rows": ordered,
            "nodes": nodes,
            "edges": [{"cursor": cursor, "node": node} for cursor, node in zip(cursors, nodes, strict=True)],
            "totalCount": len(ordered),
            "pageInfo": {
                "hasNextPage": stop < len(ordered), "hasPreviousPage": start > 0,
                "startCursor": cursors[0] if cursors else None, "endCursor": cursors[-1] if cursors else None,
            },
        }  # fmt: skip

    # Totals.

    def _added_up(
        self, page: dict[str, Any], kind: str, by: Any = None, orderBy: str | None = None, first: int | None = None
    ) -> Any:
        """Return the totals of all rows of a list, or its buckets if there is a `by`."""
        rows = Rows(self, kind, page["rows"], page.get("in_books", kind == "FinancialMovement"))
        return rows.totals(range(len(rows.rows))) if by is None else rows.buckets(by, orderBy, first)

    def Group_dailyTotals(self, group: Group, selected: set[str], during: Any = None, by: str | None = None) -> Any:
        rows = self.Group_dailyMovements(group, selected, during)
        interval = self.interval(during, "THIS_MONTH")
        first, last = interval.days or (None, None)
        if first is None or last is None:
            days = _days_of(interval, self.business.zone) or _days_of(interval, self.view.zone)
            assert days is not None, "the daily movements are of days"
            first, last = days[0][0], days[-1][0]
        return calendar(rows, first, last, by)

    # Conditions.

    def _checked_where(self, where: dict[str, Any]) -> bool:
        """Return whether no value can meet one of the conditions. Raise for a condition that is none."""
        nothing = False
        for name, given in where.items():
            if isinstance(given, list):
                nothing = nothing or not given
            if not isinstance(given, dict):
                continue
            if not given:
                raise bad("there is no operator")
            named = [*given.get("in", []), *([given["eq"]] if "eq" in given else [])]
            if name in self.ids:
                named = [self._id(id) for id in named]
            amounts = name in AMOUNTS
            if "eq" in given or "in" in given:
                nothing = nothing or not any(_holds(value, given, amounts, name in self.ids) for value in named)
        return nothing

    def _contradicted(self, source: Any, arguments: dict[str, Any]) -> bool:
        """Return whether the conditions contradict the arguments, or the parent."""
        named: dict[str, Any] = {"group": arguments.get("inGroup"), "room": arguments.get("roomId")}
        parent = {Group: "group", User: "user", Room: "room"}.get(type(source))
        if parent is not None and "groupId" not in arguments:
            named[parent] = source.id
        where = self.where or {}
        if arguments.get("status") is not None and where.get("status", arguments["status"]) != arguments["status"]:
            return True
        return any(
            value is not None and isinstance(where.get(name), dict)
            and not _holds(self._id(value), where[name], False, True)
            for name, value in named.items()
        )  # fmt: skip

    def _meets(self, row: Any) -> bool:
        """Return whether a row meets the conditions. Raise the error of a value that is not known."""
        assert self.where is not None
        met = True
        for name, given in self.where.items():
            value = self._tested(row, name)
            if isinstance(given, dict):
                codes = [code for code in (*given.get("in", []), given.get("eq")) if code is not None]
                if name == "userCode" and codes:
                    met = met and self._is_of(row, given)
                    continue
                met = met and value is not None and _holds(value, given, name in AMOUNTS, name in self.ids)
            else:
                met = met and value in (given if isinstance(given, list) else [given])
        return met

    def _is_of(self, log: Log, given: dict[str, Any]) -> bool:
        """Return whether a log has one of the codes, or is of the user who has it (C27)."""
        player = self._player(log)
        codes = {log.code, code_of(player, self.view.code_from) if player is not None else None}
        return any(code is not None and _holds(code, given, False, False) for code in codes)

    def _tested(self, row: Any, name: str) -> Any:
        """Return the value that a condition tests."""
        if isinstance(row, Log):
            return {
                "provider": row.provider, "game": row.game, "type": row.kind, "userCode": row.code, "bet": row.bet,
                "win": row.win,
            }[name]  # fmt: skip
        if isinstance(row, Game):
            return {
                "status": STATUSES[row.status][0], "room": row.room, "configuration": row.configuration[0],
                "wagered": row.wagered, "paid": row.paid,
            }[name]  # fmt: skip
        if name in ("user", "group"):
            seen: Any = self._seen_user(row.user) if name == "user" else self._seen_group(row.group)
            return None if seen is None else seen.id
        if isinstance(row, Financial):
            return {"type": row.type, "subtype": row.subtype, "game": row.game, "amount": row.amount}[name]
        if name == "amount":
            return self.Transaction_amount(row)
        if name == "currency":
            return self.Transaction_currency(row)
        return {"type": row.kind, "game": row.game, "ticket": row.ticket}[name]

    def _checked(self, name: str, first: int | None, after: Any) -> None:
        if first is not None and not 0 <= first <= MOST:
            raise bad("a page has 0 to 1000 items")
        if after is not None and self.opaque.meaning.get(after, ("",))[0] != name:
            raise bad("that is no cursor of this list")

    # Query

    def Query_group(self, id: str) -> Group | None:
        return self._seen_group(self._id(id))

    def Query_groups(self, ids: Sequence[str] | None = None, first: int | None = None, after: Any = None) -> Any:
        self._checked("groups", first, after)
        wanted = None if ids is None else {self._id(id) for id in ids}
        rows = [g for g in self.business.groups if self._group_visible(g.id) and (wanted is None or g.id in wanted)]
        return self._page("groups", rows, lambda group: (group.id,), first, after)

    def Query_user(self, id: str) -> User | None:
        return self._seen_user(self._id(id))

    def Query_users(
        self,
        ids: Sequence[str] | None = None,
        username: str | None = None,
        groupId: Any = None,
        first: int | None = None,
        after: Any = None,
    ) -> Any:
        self._checked("users", first, after)
        group, wanted = self._optional_id(groupId), None if ids is None else {self._id(id) for id in ids}
        if group is not None and self._seen_group(group) is None:
            raise not_found()
        rows = [user for user in self.business.users if wanted is None or user.id in wanted]
        return self._users_page(rows, group, username, first, after)

    def _users_page(
        self, rows: Iterable[User], group: int | None, username: str | None, first: int | None, after: Any
    ) -> Any:
        found = [
            user
            for user in rows
            if self._user_visible(user.id) and group in (None, user.group)
            if username is None or contains(self.system, user, username)
        ]
        return self._page("users", found, lambda user: (user.id,), first, after)

    def Query_room(self, id: str) -> Room | None:
        number = self._id(id)
        return self._room(number) if number in ROOMS else None

    def _room(self, id: int) -> Room:
        return Room(id, ROOMS[id] if any(game.room == id for game in self.business.games) else None)

    def Query_rooms(self, during: Any = None) -> list[Room]:
        interval = self.interval(during)
        return [Room(id, ROOMS[id]) for id in sorted({g.room for g in self.business.games if interval.holds(g.starts)})]

    def Query_game(self, id: str) -> Game | None:
        return self.business.game(self._id(id))

    def Query_games(
        self,
        roomId: Any = None,
        during: Any = None,
        status: str | None = None,
        first: int | None = None,
        after: Any = None,
    ) -> Any:
        self._checked("games", first, after)
        interval, room = self.interval(during), self._optional_id(roomId)
        if status == "UNKNOWN":
            raise bad("UNKNOWN is no status to ask for")
        if room is not None and room not in ROOMS:
            raise not_found()
        return self._games(room, interval, status, first, after)

    def _games(self, room: int | None, interval: Interval, status: str | None, first: int | None, after: Any) -> Any:
        rows = [
            game
            for game in self.business.games
            if room in (None, game.room) and interval.holds(game.starts)
            if status is None or STATUSES[game.status][0] == status
        ]
        return self._page("games", rows, lambda game: (int(game.starts.timestamp()), game.id), first, after)

    def Query_gameLogs(
        self, gameType: str | None = None, during: Any = None, first: int | None = None, after: Any = None
    ) -> Any:
        self._checked("gameLogs", first, after)
        interval = self.interval(during)
        rows = [log for log in self._logs(gameType) if interval.holds(log.at) and self._log_visible(log)]
        return self._logs_page(rows, first, after)

    def _logs(self, kind: str | None) -> list[Log]:
        agents = {ADMIN, *AGENT_OF_GROUP.values()} if self.view.agents else {ADMIN}
        return [log for log in self.business.logs if log.agent in agents and log.game_type == (kind or "slot")]

    def _logs_page(self, rows: list[Log], first: int | None, after: Any) -> Any:
        return self._page("gameLogs", rows, lambda log: (UTC_START - log.at, -log.id, log.agent), first, after)

    def Query_financialMovements(
        self, groupId: Any = None, during: Any = None, first: int | None = None, after: Any = None
    ) -> Any:
        self._checked("financialMovements", first, after)
        interval, group = self.interval(during), self._optional_id(groupId)
        if group is not None and self._seen_group(group) is None:
            raise not_found()
        return self._financial(group, interval, first, after)

    def _financial(self, group: int | None, interval: Interval, first: int | None, after: Any) -> Any:
        groups = {each.id for each in self.business.groups} if group is None else self.business.below(group)
        rows = [
            row
            for row in self.business.financial
            if row.group in groups and self._group_visible(row.group) and interval.holds(row.at)
        ]

        def place(row: Financial) -> tuple[Any, ...]:
            user = self._seen_user(row.user)
            # Equal times: by group, user, game, type and subtype, and by the text of the amount.
            return (
                -int(row.at.timestamp()), row.group, user.id if user else 0, row.game or 0, row.type, row.subtype,
                row.amount,
            )  # fmt: skip

        return self._page("financialMovements", rows, place, first, after)

    def Query_progressiveJackpots(self) -> list[dict[str, str]]:
        names = {
            "value_max": "valueMax", "seed_base": "seedBase", "seed_max": "seedMax",
            "seed_percentage": "seedPercentage",
        }  # fmt: skip
        return [{names.get(name, name): value for name, value in each.items()} for each in self.business.jackpots]

    def Query_node(self, nodeId: str) -> Any:
        meaning = self.opaque.meaning.get(nodeId)
        if meaning is None or meaning[0] != "node":
            raise bad("that is no nodeId")
        _, kind, *place = meaning
        if kind == "GameLog":
            found = [log for log in self.business.logs if [log.agent, str(log.id), log.game_type] == place]
            return found[0] if found and self._log_visible(found[0]) else None
        return self._entity(kind, int(place[0]))

    def _entity(self, kind: str, id: int) -> Any:
        if kind == "Transaction":
            found = next((row for row in self.business.movements if row.id == id), None)
            return found if found is not None and self._movement_visible(found) else None
        return {"Group": self._seen_group, "User": self._seen_user, "Game": self.business.game}.get(
            kind, lambda id: self._room(id) if id in ROOMS else None
        )(id)

    def Query__entities(self, representations: Sequence[Any]) -> list[Any]:
        return [self._represented(each) for each in representations]

    def _represented(self, each: Any) -> Any:
        try:
            kind, id = each["__typename"], self._id(each["id"])
        except (KeyError, TypeError):
            return bad("a representation has __typename and id")
        except GraphQLError as error:
            return error
        today = self._midnight(self.view.now.astimezone(self.view.zone).date())
        last_month = Interval(today - 31 * DAY, self.interval(None).end)
        if kind == "GameLog":
            logs = [log for log in self._logs(None) if log.id == id and last_month.holds(log.at)]
            logs = [log for log in logs if self._log_visible(log)]
            # The ids of two agents overlap, so the id does not identify a log.
            if len(logs) > 1:
                return GraphQLError("Two logs have this id.", extensions={"code": ANY})
            return logs[0] if logs else None
        found = self._entity(kind, id)
        if kind == "Transaction" and found is not None and not last_month.holds(found.at):
            return None
        return found

    # Group

    def Group_nodeId(self, group: Group) -> str:
        return mark("node", "Group", group.id)

    def Group_externalId(self, group: Group) -> str | None:
        return group.external

    def Group_type(self, group: Group) -> str:
        return group.kind

    def Group_currency(self, group: Group) -> str | None:
        return self._currency(group.id)

    def _currency(self, id: int) -> str | None:
        """Return the currency of a group: that of its movements of the last month, from the reports of their users."""
        today = self.view.now.astimezone(self.view.zone).date()
        month, group = self._days(today - 31 * DAY, today), self.business.group(id)
        is_known = any(
            row.group == id and month.holds(row.at) and self._user_visible(row.user) for row in self.business.movements
        )
        return group.currency if is_known and group is not None else None

    def Group_users(
        self, group: Group, username: str | None = None, first: int | None = None, after: Any = None
    ) -> Any:
        self._checked("users", first, after)
        return self._users_page(self.business.users, group.id, username, first, after)

    def Group_transactions(self, group: Group, during: Any = None, first: int | None = None, after: Any = None) -> Any:
        self._checked("transactions", first, after)
        interval = self.interval(during)
        rows = [row for row in self.business.movements if row.group == group.id and interval.holds(row.at)]
        return self._transactions(rows, first, after) | {"in_books": True}

    def _transactions(self, rows: Iterable[Movement], first: int | None, after: Any) -> Any:
        found = [row for row in rows if self._movement_visible(row)]
        return self._page("transactions", found, lambda row: (-row.id,), first, after)

    def _movement_visible(self, row: Movement) -> bool:
        return self._group_visible(row.group)

    def Group_dailyMovements(self, group: Group, selected: set[str], during: Any = None) -> list[Daily]:
        interval = self.interval(during, "THIS_MONTH")
        report, own = (_days_of(interval, zone) for zone in (self.business.zone, self.view.zone))
        if report is not None and (interval.days is None or report == own):
            days = [day for day, _ in report]
            return [row for row in self.business.daily() if row.group == group.id and row.day in days]
        if own is None or selected & {"totalWins", "paidTickets"}:
            raise bad("No report tells this of such days.")
        rows = [row for row in self.business.movements if row.group == group.id and interval.holds(row.at)]
        if any(row.kind not in SIGNED for row in rows):
            raise GraphQLError("A type adds nobody knows what.", extensions={"code": "UPSTREAM_INCOMPLETE"})
        return totals(rows, self.view.zone)

    def Group_financialMovements(
        self, group: Group, during: Any = None, first: int | None = None, after: Any = None
    ) -> Any:
        self._checked("financialMovements", first, after)
        return self._financial(group.id, self.interval(during), first, after)

    # User

    def User_nodeId(self, user: User) -> str:
        return mark("node", "User", user.id)

    def User_externalId(self, user: User) -> str | None:
        return user.external

    def User_username(self, user: User) -> str:
        return user.name

    def User_group(self, user: User) -> Group | None:
        return self._seen_group(user.group)

    def User_transactions(
        self, user: User, during: Any = None, inGroup: Any = None, first: int | None = None, after: Any = None
    ) -> Any:
        self._checked("transactions", first, after)
        interval, group = self.interval(during), self._optional_id(inGroup)
        rows = [
            row
            for row in self.business.movements
            if row.user == user.id and group in (None, row.group) and interval.holds(row.at)
        ]
        return self._transactions(rows, first, after)

    def User_gameLogs(
        self, user: User, gameType: str | None = None, during: Any = None, first: int | None = None, after: Any = None
    ) -> Any:
        self._checked("gameLogs", first, after)
        interval = self.interval(during)
        if code_of(user, self.view.code_from) is None:
            raise GraphQLError("This user has no code.", extensions={"code": "UPSTREAM_CONTRACT"})
        rows = [log for log in self._logs(gameType) if interval.holds(log.at) and self._player(log) == user]
        return self._logs_page(rows, first, after)

    def _player(self, log: Log) -> User | None:
        """Return the user of a log: the user with exactly this code, or else the only one that a loose upstream would
        mean.
        """
        mine = [user for user in self.business.users if self._agent(user) == log.agent]
        for same in (lambda code: code == log.code, lambda code: self.system.loose and fold(code) == fold(log.code)):
            found = [user for user in mine if (code := code_of(user, self.view.code_from)) is not None and same(code)]
            if found:
                assert len(found) == 1, "the business has no two users of one code at one agent"
                return found[0]
        return None

    def _agent(self, user: User) -> str:
        return AGENT_OF_GROUP.get(user.group, ADMIN) if self.view.agents else ADMIN

    def _log_visible(self, log: Log) -> bool:
        if self.view.groups is None:
            return True
        player = self._player(log)
        return player is not None and player.group in self.view.groups

    # Room

    def Room_nodeId(self, room: Room) -> str:
        return mark("node", "Room", room.id)

    def Room_games(
        self, room: Room, during: Any = None, status: str | None = None, first: int | None = None, after: Any = None
    ) -> Any:
        self._checked("games", first, after)
        interval = self.interval(during)
        if status == "UNKNOWN":
            raise bad("UNKNOWN is no status to ask for")
        return self._games(room.id, interval, status, first, after)

    def Room_gamesOnSale(self, room: Room, during: Any = None) -> list[Game]:
        interval = self.interval(during)
        games = [g for g in self.business.games if g.selling and g.room == room.id and interval.holds(g.starts)]
        return sorted(games, key=lambda game: (game.starts, game.id))

    # Game

    def Game_nodeId(self, game: Game) -> str:
        return mark("node", "Game", game.id)

    def Game_room(self, game: Game) -> Room:
        return Room(game.room, ROOMS[game.room])

    def Game_status(self, game: Game) -> str:
        return STATUSES[game.status][0]

    def Game_statusName(self, game: Game) -> str:
        return STATUSES[game.status][1]

    def Game_configuration(self, game: Game) -> Configuration:
        return Configuration(*game.configuration)

    def Game_startsAt(self, game: Game) -> str | None:
        return self._time(game.starts)

    def Game_endsAt(self, game: Game) -> str | None:
        return self._time(game.ends)

    def Game_duration(self, game: Game) -> int | None:
        return None if game.ends is None else int((game.ends - game.starts).total_seconds())

    def Game_cardPrice(self, game: Game) -> str:
        return game.card_price

    def Game_cardsBought(self, game: Game) -> int:
        return game.cards

    def Game_netWin(self, game: Game) -> str:
        return game.net_win

    def Game_wagersToPrizes(self, game: Game) -> str:
        return game.to_prizes

    def Game_wagersToJackpot(self, game: Game) -> str:
        return game.to_jackpot

    def Game_jackpotPercentage(self, game: Game) -> str:
        return game.percentage

    def Game_ticketsRefunded(self, game: Game) -> int:
        return game.refunded

    def Game_canceledTickets(self, game: Game) -> int | None:
        return game.canceled if game.status in ON_SALE else None

    def Game_availableBalls(self, game: Game) -> int:
        return game.available

    def Game_ballsDelay(self, game: Game) -> int:
        return game.delay

    def Game_jackpotBuildMethod(self, game: Game) -> str:
        return {"fixed": "FIXED", "wager": "WAGER"}.get(game.method.casefold(), "UNKNOWN")

    def Game_jackpotPrizeMode(self, game: Game) -> str | None:
        return game.mode

    def Game_continuousGames(self, game: Game) -> int:
        return game.continuous

    def Game_continuousConfigurationName(self, game: Game) -> str | None:
        return game.continuous_name

    def Game_prizes(self, game: Game) -> list[Any]:
        return list(game.on_sale if game.selling else game.prizes)

    def Game_winners(self, game: Game) -> list[CardWin]:
        return [CardWin(prize.win, prize.name) for prize in game.prizes if self._user_visible(prize.win.user)]

    def Game_tickets(self, game: Game) -> list[Ticket]:
        return [ticket for ticket in game.tickets if self._group_visible(ticket.seller)]

    def GameJackpot_winnableUntilCall(self, jackpot: Jackpot) -> int:
        return jackpot.until

    def GameJackpot_winners(self, jackpot: Jackpot) -> list[JackpotWin]:
        return [JackpotWin(win) for win in jackpot.wins if self._user_visible(win.user)]

    # Prize: a `Prize` that was won, a `SalePrize` that is to be won, or a `WonPrize` of a ticket

    def Prize_id(self, prize: Any) -> int | None:
        return None if isinstance(prize, SalePrize) else prize.id

    def Prize_callNumber(self, prize: Any) -> int | None:
        return prize.call if isinstance(prize, Prize) else None

    def Prize_wonAtCard(self, prize: Any) -> int | None:
        # It belongs to the winner.
        return prize.at_card if isinstance(prize, Prize) and self._user_visible(prize.win.user) else None

    def Prize_winners(self, prize: Any) -> list[Win] | None:
        if not isinstance(prize, Prize):
            return None
        return [prize.win] if self._user_visible(prize.win.user) else []

    # Winner: a `Win` of a prize, a `JackpotWin`, or a `CardWin` of a game

    def Winner_user(self, win: Any) -> User | None:
        return self._seen_user((win if isinstance(win, Win) else win.win).user)

    def Winner_group(self, win: Any) -> Group | None:
        return None if isinstance(win, CardWin) else self._seen_group(self._ticket_win(win).group)

    def _ticket_win(self, win: Any) -> Win:
        found = win.win if isinstance(win, JackpotWin) else win
        assert isinstance(found, Win)
        return found

    def Winner_username(self, win: Any) -> str | None:
        user = self.Winner_user(win)
        return user.name if user and not isinstance(win, JackpotWin) else None

    def Winner_cardHolderName(self, win: Any) -> str | None:
        return f"{self.Winner_username(win)} *" if isinstance(win, CardWin) else None

    def Winner_cardId(self, win: Any) -> str | None:
        return win.win.card if isinstance(win, CardWin) else None

    def Winner_ticketId(self, win: Any) -> str | None:
        return None if isinstance(win, CardWin) else self._ticket_win(win).ticket

    def Winner_callNumber(self, win: Any) -> int | None:
        return win.win.call if isinstance(win, CardWin) else None

    def Winner_prizeName(self, win: Any) -> str | None:
        return win.prize if isinstance(win, CardWin) else None

    def Winner_amount(self, win: Any) -> str | None:
        return None if isinstance(win, CardWin) else self._ticket_win(win).amount

    def Winner_bonusAmount(self, win: Any) -> str | None:
        return win.bonus if isinstance(win, Win) else None

    # Ticket

    def Ticket_createdAt(self, ticket: Ticket) -> str | None:
        return self._time(ticket.at)

    def Ticket_cards(self, ticket: Ticket) -> list[Card]:
        return [Card(id, numbers) for id, numbers in ticket.cards]

    def Ticket_wins(self, ticket: Ticket) -> list[TicketWin]:
        return [TicketWin(card, prizes) for card, prizes in ticket.wins]

    def Ticket_sellerGroup(self, ticket: Ticket) -> Group | None:
        return self._seen_group(ticket.seller)

    def Ticket_soldBy(self, ticket: Ticket) -> Party | None:
        return None if ticket.sold_by is None else Party(*ticket.sold_by)

    def Ticket_paidBy(self, ticket: Ticket) -> Party | None:
        return None if ticket.paid_by is None else Party(*ticket.paid_by)

    def TicketParty_user(self, party: Party) -> User | None:
        return self._seen_user(party.user)

    def TicketParty_group(self, party: Party) -> Group | None:
        return self._seen_group(party.group)

    def TicketWin_cardId(self, win: TicketWin) -> str:
        return win.card

    def TicketWin_prizes(self, win: TicketWin) -> list[WonPrize]:
        return [WonPrize(*prize) for prize in win.prizes]

    # Transaction

    def Transaction_nodeId(self, row: Movement) -> str:
        return mark("node", "Transaction", row.id)

    def Transaction_timestamp(self, row: Movement) -> str | None:
        return self._time(row.at)

    def Transaction_type(self, row: Movement) -> str:
        return row.kind

    def Transaction_amount(self, row: Movement) -> str:
        # Only the user's own report has the sign of some movements.
        if row.kind not in SIGNED and not self._user_visible(row.user):
            raise GraphQLError("Nobody knows the sign.", extensions={"code": ANY})
        return row.amount

    def Transaction_currency(self, row: Movement) -> str | None:
        # Only the user's own report has it.
        group = self.business.group(row.group)
        return group.currency if group and self._user_visible(row.user) else None

    def Transaction_baseAmount(self, row: Movement) -> str | None:
        return row.base if self._user_visible(row.user) else None

    def Transaction_baseCurrency(self, row: Movement) -> str | None:
        return "Real USD" if self._user_visible(row.user) else None

    def Transaction_group(self, row: Movement) -> Group | None:
        return self._seen_group(row.group)

    def Transaction_user(self, row: Movement) -> User | None:
        return self._seen_user(row.user)

    def Transaction_ticketId(self, row: Movement) -> str | None:
        return row.ticket

    def Transaction_game(self, row: Movement) -> Game | None:
        return self.business.game(row.game)

    # FinancialMovement

    def FinancialMovement_timestamp(self, row: Financial) -> str | None:
        return self._time(row.at)

    def FinancialMovement_currency(self, row: Financial) -> str | None:
        return self._currency(row.group)

    def FinancialMovement_typeName(self, row: Financial) -> str | None:
        return TYPES.get(row.type)

    def FinancialMovement_subtypeName(self, row: Financial) -> str | None:
        return SUBTYPES.get((row.type, row.subtype))

    def FinancialMovement_group(self, row: Financial) -> Group | None:
        return self._seen_group(row.group)

    def FinancialMovement_user(self, row: Financial) -> User | None:
        return self._seen_user(row.user)

    def FinancialMovement_game(self, row: Financial) -> Game | None:
        return self.business.game(row.game)

    # DailyMovement

    def DailyMovement_date(self, row: Daily) -> str:
        return row.day.isoformat()

    def DailyMovement_currency(self, row: Daily) -> str | None:
        return self._currency(row.group)

    def DailyMovement_group(self, row: Daily) -> Group | None:
        return self._seen_group(row.group)

    def DailyMovement_totalWagers(self, row: Daily) -> str:
        return row.wagers

    def DailyMovement_totalWins(self, row: Daily) -> str:
        return row.wins

    def DailyMovement_totalRefunds(self, row: Daily) -> str:
        return row.refunds

    def DailyMovement_totalPaid(self, row: Daily) -> str:
        return row.paid

    def DailyMovement_paidTickets(self, row: Daily) -> int:
        return row.tickets

    # GameLog

    def GameLog_nodeId(self, log: Log) -> str:
        return mark("node", "GameLog", log.agent, log.id, log.game_type)

    def GameLog_agentCode(self, log: Log) -> str:
        return log.agent

    def GameLog_userCode(self, log: Log) -> str:
        return log.code

    def GameLog_user(self, log: Log) -> User | None:
        return self._player(log)

    def GameLog_providerCode(self, log: Log) -> str:
        return log.provider

    def GameLog_gameCode(self, log: Log) -> str:
        return log.game

    def GameLog_type(self, log: Log) -> str:
        return log.kind

    def GameLog_txnId(self, log: Log) -> str:
        return log.txn

    def GameLog_txnType(self, log: Log) -> str:
        return log.txn_type

    def GameLog_userStartBalance(self, log: Log) -> str:
        return log.balances[0]

    def GameLog_userEndBalance(self, log: Log) -> str:
        return log.balances[1]

    def GameLog_agentStartBalance(self, log: Log) -> str:
        return log.balances[2]

    def GameLog_agentEndBalance(self, log: Log) -> str:
        return log.balances[3]

    def GameLog_createdAt(self, log: Log) -> str | None:
        return self._time(log.at)


ANY = "*"  # an error whose code the contract leaves open
