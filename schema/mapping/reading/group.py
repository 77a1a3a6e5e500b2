"""Read the rows of groups, and the daily totals of a group."""

import datetime
from collections.abc import Sequence
from typing import Any

from strawberry import Info

from resolvers import edges
from resolvers.lookup import Lookup
from resolvers.rules import daily
from resolvers.rules.daily import business_days, days_of_report
from resolvers.session import Session
from schema.mapping.entity import Entity, EntitySource, identities
from schema.mapping.errors import BadUserInput
from schema.mapping.selection import select
from upstream.errors import Incomplete
from upstream.reports import rows
from upstream.reports.rows import Row
from upstream.values.days import pieces
from upstream.values.interval import Interval

# The fields of a day that can be computed for a day that is not a day of the report.
_KNOWN_OF_ANY_DAY = {
    "totalWagers",
    "totalRefunds",
    "totalPaid",
    "net",
    "date",
    "group",
    "currency",
    "from",
    "to",
    "__typename",
}


class GroupSource(EntitySource):
    """A group by its id, or by its name where the user list (R9) has no id and no two groups share the name."""

    __slots__ = ()

    async def load(self, entity: Entity) -> Row | None:
        name = entity.given.get("name")
        if entity.identity is not None or name is None:
            return await super().load(entity)
        return await group_of_name(entity.session, name)


async def group_of_name(session: Session, name: str) -> rows.GroupRow:
    """Return the only group of a name. Raise `Incomplete` if several groups have the name, or none has it."""
    found = await session.rows(Lookup(edges.GROUP_BY_NAME), name)
    if len(found) != 1:
        raise Incomplete(
            f'GameHub R9 has only the name of the user\'s group, "{name}", and {len(found)} groups have this name. '
            "Give each group a name of its own in GameHub.",
            report="R9",
        )
    group: rows.GroupRow = found[0]
    return group


def group_id(movement: Entity) -> int | None:
    """Return the id of the group of a daily or a financial movement, as far as it is known here."""
    given = movement.given.get("group")
    row: Any = movement.rows[0]
    identity: int | None = row.group_id
    return given.identity if identity is None and isinstance(given, Entity) else identity


def group_ids(movements: Sequence[Entity]) -> list[int | None]:
    """Return the ids of the groups of daily or financial movements."""
    return list(map(group_id, movements))


async def daily_rows(groups: Sequence[Entity], info: Info[Session, Any], interval: Interval) -> list[Any]:
    """Return the daily totals of each group: from R1, or added up from R5 where a business day is not a day of R1."""
    session = info.context
    report_days = days_of_report(interval, session.zone, session.gamehub_zone)
    if report_days is None:
        return await _added_up(groups, info, interval)
    return await session.rows_of(
        Lookup(edges.DAILY_MOVEMENTS_OF_GROUP, report_days),
        identities(groups),
        field=f"Group.{info._raw_info.field_name}",
    )


def days_of_rows(interval: Interval, session: Session) -> tuple[datetime.date, datetime.date]:
    """Return the first and the last day that `daily_rows` reads for an interval."""
    found = (days_of_report(interval, session.zone, session.gamehub_zone) or interval).days
    if found is None:
        cut = pieces(interval, session.zone)
        found = cut[0].day, cut[-1].day
    return found


def by_day(rows: Sequence[Any]) -> list[Any]:
    """Return daily totals, the oldest first."""
    return sorted(rows, key=lambda row: row.timestamp)


async def _added_up(groups: Sequence[Entity], info: Info[Session, Any], interval: Interval) -> list[Any]:
    """Return the totals of business days that are not days of the report. Raise `BadUserInput` for what R5 lacks."""
    session, name = info.context, info._raw_info.field_name
    clock = f"GameHub's clock ({session.gamehub_zone.key})"
    if business_days(interval, session.zone) is None:
        raise BadUserInput(
            f"during: {name} has whole days of {clock}. From {interval.start.isoformat()} until "
            f"{interval.end.isoformat()} is not made of such days: begin and end at midnight there, or give whole days "
            "as `dates`."
        )
    others = sorted(select(info).keys() - _KNOWN_OF_ANY_DAY)
    if others:
        raise BadUserInput(
            f"during: a day in {session.zone.key} is no day of {clock}, which {name} has. No report has "
            f"{', '.join(others)} of such a day: select totalWagers, totalRefunds, totalPaid and net alone, or give "
            "bounds at midnight of that clock as `between`."
        )
    found: list[Any] = await session.rows_of(
        Lookup(edges.MOVEMENTS_OF_GROUP, interval), identities(groups), daily.READ, f"Group.{name}"
    )
    for place, (group, movements) in enumerate(zip(groups, found, strict=True)):
        if isinstance(movements, Exception):
            continue
        kind = daily.unknown_type(movements)
        found[place] = (
            daily.totals(group.identity, movements, session.zone)
            if kind is None
            else Incomplete(
                f'R5: it is not known how movements of type "{kind}" change the totals of a day.', report="R5"
            )
        )
    return found
