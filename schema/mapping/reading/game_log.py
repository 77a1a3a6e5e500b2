"""Find the user of a game log."""

import asyncio
import datetime
from typing import Any

from resolvers import edges
from resolvers.directory import undecided
from resolvers.key_rows import KeyRows
from resolvers.lookup import Lookup
from resolvers.session import Session
from schema.mapping.entity import ENTITIES, Entity
from schema.mapping.reading.user import home
from schema.mapping.values import sound
from schema.scalars import is_id
from upstream.reports import rows
from upstream.reports.request import sendable
from upstream.values.interval import Interval

DEFAULT_GAME_TYPE = "slot"


async def user_of(log: Any) -> Entity | None:
    """Return the user of a log, or None. USER_CODE_FROM says how. The log's agent must serve the user.

    `User.gameLogs` of this user lists this log, and the `gameLogs` of no other user list it.
    """
    session, code = log.session, sendable(sound(log.row.user_code), "G1", "user_code")
    agent = session.agent_of(log.row.agent_code)
    user = await _user_of_exactly(session, code, agent)
    if user is None:
        user = (await session.directory.users(agent)).of(code)
        if user is None or not await _takes_for(log, agent, str(getattr(user, session.user_code_from))):
            return None
        # The directory also knows users whom the caller may not see.
        seen = await session.rows(Lookup(edges.USER_BY_ID), user.id)
        user = seen[0] if seen else None
    return None if user is None else ENTITIES["User"].on(user, session=session)


async def _user_of_exactly(session: Session, code: str, agent: str) -> rows.UserRow | None:
    """Return the user of the agent who has exactly this code. Raise `Incomplete` if several users have it."""
    if session.user_code_from == "id":
        found = await session.rows(Lookup(edges.USER_BY_ID), int(code)) if is_id(code) and code[0] != "0" else KeyRows()
    elif session.user_code_from == "external_user_id":
        found = await session.rows(Lookup(edges.USER_BY_EXTERNAL_ID), code)
    else:
        found = await session.rows(Lookup(edges.USER_BY_USERNAME), code)
    users: list[rows.UserRow] = [*found]
    if users and session.many_agents:
        homes = [await home(ENTITIES["User"].on(user, session=session)) for user in users]
        users = [user for user, group in zip(users, homes, strict=True) if session.agent_of_group(group) == agent]
    if len(users) > 1:
        raise undecided()
    return users[0] if users else None


async def _takes_for(log: Any, agent: str, code: str) -> bool:
    """Return whether the upstream accepts the log's spelling for this code. Each pair is checked once per operation."""
    session, row = log.session, log.row
    place = ("spelling", agent, row.user_code, code)
    found = session.memo.get(place)
    if found is None:
        game_type = log.given.get("game_type", DEFAULT_GAME_TYPE)
        lookup = Lookup.of(edges.LOGS_OF_USER, second_of(session, row.created_at), agent, game_type=game_type)
        of_code = session.rows(lookup, code)
        found = session.memo[place] = asyncio.ensure_future(of_code)
    # The answer contains this spelling for every log of the pair, or for none.
    return any(other.user_code == row.user_code for other in await asyncio.shield(found))


def second_of(session: Session, microseconds: int) -> Interval:
    """Return the second that contains a moment. Raise `OverflowError` outside the calendar."""
    start = session.moment(microseconds).astimezone(datetime.UTC).replace(microsecond=0)
    return Interval(start, start + datetime.timedelta(seconds=1))
