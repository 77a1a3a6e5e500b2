"""Read the transactions and game logs of users, and find what identifies a user on Game History."""

from collections.abc import Sequence
from typing import Any

from strawberry import ID, Info
from strawberry.utils.str_converters import to_camel_case

from resolvers import edges
from resolvers.lookup import Lookup
from resolvers.rules.join import MovementJoin
from resolvers.session import Session
from schema.mapping.entity import ENTITIES, Entity, EntityRows, identities
from schema.mapping.lists.connection import ConnectionPage, reads
from schema.mapping.reading.group import group_of_name
from schema.mapping.relation import apart, each
from schema.mapping.totals.list_totals import items_selected
from schema.mapping.values import BadValue, sound
from schema.scalars import parse_id
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


async def transactions_of(
    users: Sequence[Entity], info: Info[Session, Any], page: ConnectionPage, interval: Interval, in_group: ID | None
) -> list[Any]:
    """Return the transactions of each user: those of one group, or all of them."""
    given = None if in_group is None else parse_id(in_group, "inGroup")
    session, edge = info.context, edges.TRANSACTIONS_IN_GROUP
    groups: list[Any] = [given] * len(users)
    if given is None and session.join.mode is MovementJoin.TRUST:
        groups, edge = await homes(users), edges.TRANSACTIONS_AT_HOME
    columns = reads(info, "Transaction", page)
    # R5 may be read instead of R7 only where it knows all that is selected.
    covered = ENTITIES["Transaction"].is_covered(rows.GroupMovementRow, items_selected(info, "Transaction"), {"user"})

    ids = identities(users)

    async def of(group: int | None, places: list[int]) -> Sequence[Any]:
        keys = [ids[place] for place in places]
        lookup = Lookup(edges.TRANSACTIONS_OF_USER, interval)
        if group is not None:
            lookup = Lookup.of(edge, interval, exact=not covered, group=group)
        return await session.rows_of_level(lookup, keys, columns, "User.transactions")

    return await apart(groups, of)


async def logs_of(
    users: Sequence[Entity], info: Info[Session, Any], page: ConnectionPage, interval: Interval, game_type: str
) -> list[Any]:
    """Return the game logs of each user, from the log of the user's agent."""
    session = info.context
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
    checked(Call.of(reports.GAME_LOGS, interval, game_type=game_type))

    async def of(agent: str, places: list[int]) -> Sequence[Any]:
        keys = [codes[place] for place in places]
        lookup = Lookup.of(edges.LOGS_OF_USER, interval, agent, game_type=game_type)
        return await session.rows_of_level(lookup, keys, columns, "User.gameLogs")

    return await apart(agents, of)


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
