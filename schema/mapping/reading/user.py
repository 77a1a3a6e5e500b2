"""Read the transactions and game logs of users, and find what identifies a user on Game History."""

import asyncio
from collections.abc import Sequence
from typing import Any

from strawberry import Info
from strawberry.utils.str_converters import to_camel_case

from resolvers import edges
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.rules.join import MovementJoin
from resolvers.session import Session
from schema.mapping.entity import ENTITIES, Entity, EntityRows, identities
from schema.mapping.lists.column_values import selection_of
from schema.mapping.lists.conditions import read_allowed
from schema.mapping.lists.connection import ConnectionPage, reads
from schema.mapping.reading.group import group_of_name
from schema.mapping.relation import apart, each
from schema.mapping.totals.list_totals import items_selected
from schema.mapping.values import BadValue, sound
from upstream.call import Call
from upstream.errors import ContractBroken, UpstreamError
from upstream.reports import rows
from upstream.reports import table as reports
from upstream.reports.request import can_carry_all, checked, sendable
from upstream.values.interval import Interval

# USER_CODE_FROM names a column of the row. These are the type's names for it.
CODE_COLUMNS = {"username": "username", "external_user_id": "external_id", "id": "id"}


def columns_of_code(session: Session) -> frozenset[str]:
    """Return the columns of a user that lead to the user's game log."""
    code = to_camel_case(CODE_COLUMNS[session.user_code_from])
    return frozenset((code, "group") if session.many_agents else (code,))


def homes_matter(session: Session) -> bool:
    """Return whether the home of a user decides where the user's transactions are read."""
    return session.join.mode is MovementJoin.TRUST


async def transactions_of(
    users: Sequence[Entity], info: Info[Session, Any], page: ConnectionPage, interval: Interval, in_group: int | None
) -> Sequence[Any]:
    """Return the transactions of each user: those of one group, or all of them. The page's conditions may name it."""
    allowed = page.where.allowed("user.id")
    if allowed is not None and (not allowed or allowed.isdisjoint(identities(users))):
        return [KeyRows() for _ in users]
    given = page.where.one("group.id") if in_group is None else in_group
    session, edge = info.context, edges.TRANSACTIONS_IN_GROUP
    groups: list[Any] = [given] * len(users)
    if given is None and homes_matter(session):
        groups, edge = await homes(users), edges.TRANSACTIONS_AT_HOME
    columns = reads(info, "Transaction", page)
    # R5 may be read instead of R7 only where it knows all that is selected.
    kind, read = ENTITIES["Transaction"], (items_selected(info, "Transaction"), selection_of(page.where.columns))
    covered = all(kind.is_covered(rows.GroupMovementRow, each, {"user"}) for each in read)

    ids = identities(users)

    async def of(group: int | None, places: list[int]) -> Sequence[Any]:
        keys = [ids[place] for place in places]
        lookup = Lookup(edges.TRANSACTIONS_OF_USER, interval)
        if group is not None:
            lookup = Lookup.of(edge, interval, exact=not covered, group=group)

        async def read(some: Sequence[Any]) -> Sequence[KeyRows | Exception]:
            return await session.rows_of_level(lookup, some, columns, "User.transactions")

        return await read_allowed(keys, allowed, read)

    return await apart(groups, of)


async def logs_of(
    users: Sequence[Entity], info: Info[Session, Any], page: ConnectionPage, interval: Interval, game_type: str
) -> list[Any]:
    """Return the game logs of each user, from the log of the user's agent.

    If the page's conditions name user codes, all logs of a user with one of them meet this condition, however Game
    History spells the code (C27). Of another user, the logs that have exactly one of them do.
    """
    session, named = info.context, page.where.values("userCode")
    call = Call.of(reports.GAME_LOGS, interval, game_type=game_type)
    if page.where.nothing:
        checked(call)
        return [KeyRows() for _ in users]
    agents: list[Any] = [""] * len(users)
    if session.many_agents:
        groups = await homes(users)
        agents = [group if isinstance(group, Exception) else session.agent_of_group(group) for group in groups]
    codes = user_codes(users, session)
    if set(map(type, codes)) != {str}:
        agents = [
            code if isinstance(code, Exception) and not isinstance(agent, Exception) else agent
            for agent, code in zip(agents, codes, strict=True)
        ]
    columns = reads(info, "GameLog", page)
    # The caller wrote the type of game, so it is checked first. A wrong user code is the error of that user only.
    checked(call)

    async def of(agent: str, places: list[int]) -> Sequence[Any]:
        keys = [codes[place] for place in places]
        lookup = Lookup.of(edges.LOGS_OF_USER, interval, agent, game_type=game_type)
        return await session.rows_of_level(lookup, keys, columns, "User.gameLogs")

    found = await apart(agents, of)
    if named is None:
        return found
    return [
        logs.only([log for log in logs if log.user_code in named])
        if isinstance(logs, KeyRows) and code not in named
        else logs
        for logs, code in zip(found, codes, strict=True)
    ]


async def all_logs(info: Info[Session, Any], page: ConnectionPage, interval: Interval, game_type: str) -> KeyRows:
    """Return the game logs of all agents. If the page's conditions name user codes, return the logs of these alone."""
    session, columns = info.context, reads(info, "GameLog", page)
    if page.where.nothing:
        checked(Call.of(reports.GAME_LOGS, interval, game_type=game_type))
        return KeyRows()
    named = page.where.values("userCode")
    if named is not None and can_carry_all(codes := sorted(named)):
        return await _logs_of_codes(session, codes, columns, interval, game_type)
    logs = await asyncio.gather(
        *(
            session.all(reports.GAME_LOGS, interval, "Query.gameLogs", columns, agent=agent, game_type=game_type)
            for agent in session.agents()
        )
    )
    found = logs[0] if len(logs) == 1 else KeyRows.joined(logs)
    return found if named is None else found.only([log for log in found if log.user_code in named])


async def _logs_of_codes(
    session: Session, codes: Sequence[str], columns: frozenset[str] | None, interval: Interval, game_type: str
) -> KeyRows:
    """Return the game logs of user codes from the logs of all agents. Raise the error that prevents it."""
    lookups = [Lookup.of(edges.LOGS_OF_USER, interval, agent, game_type=game_type) for agent in session.agents()]
    reads = [session.rows_of(lookup, codes, columns, "Query.gameLogs") for lookup in lookups]
    parts: list[KeyRows] = []
    for of_agent in await asyncio.gather(*reads):
        seen: set[int] = set()
        for logs in of_agent:
            if isinstance(logs, Exception):
                raise logs
            # The upstream may take two codes for one user (C27).
            parts.append(logs.only([log for log in logs if log.history_id not in seen]) if seen else logs)
            seen.update(log.history_id for log in logs)
    return parts[0] if len(parts) == 1 else KeyRows.joined(parts)


async def home(user: Entity) -> int | None:
    """Return the id of the user's group, which decides who is the user's agent."""
    name = group_name(user)
    return known_home(user) if name is None else (await group_of_name(user.session, sound(name))).id


async def homes(users: Sequence[Entity]) -> list[Any]:
    """Return the id of each user's group, or the error that prevents it. Users that are rows so far stay rows."""
    if isinstance(users, EntityRows):
        given = users.given.get("group")
        if isinstance(given, Entity) and given.identity is not None:
            return [given.identity] * len(users)
    found: list[Any] = []
    named: list[int] = []  # the places of users whose groups have to be read
    for place, user in enumerate(users):
        try:
            if group_name(user) is not None:
                named.append(place)
                found.append(None)
            else:
                found.append(known_home(user))
        except Exception as error:
            found.append(error)
    if named:
        for place, group in zip(named, await each([home(users[place]) for place in named]), strict=True):
            found[place] = group
    return found


def group_name(user: Entity) -> Any:
    """Return the name of the user's group, if nothing but the name is known."""
    given = user.given.get("group")
    if isinstance(given, Entity) and given.identity is not None:
        return None
    row = _row(user)
    return row.fkgroup if row is not None and row.group_id is None else None


def known_home(user: Entity) -> int | None:
    """Return the id of the user's group, as far as it is known without reading. Raise the error that prevents it."""
    given = user.given.get("group")
    if isinstance(given, Entity) and given.identity is not None:
        identity: int | None = given.identity
        return identity
    for failure in user.failures.values():
        raise failure
    row = _row(user)
    return sound(row.group_id) if row is not None else None


def _row(user: Entity) -> rows.UserRow | None:
    return next((row for row in user.rows if isinstance(row, rows.UserRow)), None)


def user_codes(users: Sequence[Entity], session: Session) -> list[str | Exception]:
    """Return the code of each user on Game History, or the error. Users that are rows so far stay rows."""
    found = users.values(to_camel_case(CODE_COLUMNS[session.user_code_from])) if isinstance(users, EntityRows) else None
    codes: list[Any] = [] if found is None else list(map(str, found))
    if found and all(found) and can_carry_all(codes):
        return codes
    return [user_code(user) for user in users]


def user_code(user: Entity) -> str | Exception:
    """Return the user's code on Game History, or the error that says why the user has none."""
    code_from = user.session.user_code_from
    name = CODE_COLUMNS[code_from]
    if name == "id":
        return str(user.identity)
    codes = [getattr(row, code_from) for row in user.rows if isinstance(row, rows.UserRow)]
    for code in (*codes, user.given.get(name)):
        if isinstance(code, BadValue):
            return code.error
        if code:
            try:
                return sendable(str(code), "R9", code_from)
            except UpstreamError as error:
                return error
    for failure in user.failures.values():
        return failure
    return ContractBroken(
        f"GameHub R9: user {user.identity} has no {code_from}, which USER_CODE_FROM needs to find the user's game log. "
        "Enter it in GameHub, or change USER_CODE_FROM."
    )
