"""The edges of the graph: from keys to the rows of one report. Each edge is declared once, with the ways to read it.

Edges that several modules use are declared here. An edge of one relation is declared with the relation: `by_parameter`
for a plain edge, `distributed` for rows of calls with another key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from upstream.reports import table as reports
from upstream.reports.table import Report


@dataclass(frozen=True, slots=True, eq=False)
class Bulk:
    """A way to read many keys at once: the rows of `report` are distributed over the keys by `column`.

    It takes one call, or with `each` one call per key of another edge: first that edge is read without a key, then its
    distinct keys fill the parameter `by` of the report.

    `params` maps parameters of the report to the fixed parameters of the edge that fill them. `rows` is the expected
    number of rows of one call per day, before such a call was ever made. If `members` is set, that many rows are
    expected for each of its keys. `exact` is False if the report substitutes another one and may be used only while
    both agree (C23).
    """

    report: Report
    column: str
    rows: float
    params: Mapping[str, str] = field(default_factory=dict)
    members: "ReportEdge | None" = None
    exact: bool = True
    each: "ReportEdge | None" = None
    by: str | None = None

    def __post_init__(self) -> None:
        """Check that `each` and `by` come together, and that `each` can be read without a key."""
        if (self.each is None) != (self.by is None):
            raise ValueError(f"Bulk({self.report.code}): give `each` and `by` together")
        if self.each is not None and self.each.bulk is None:
            raise ValueError(f"Bulk({self.report.code}): the edge `each` needs a `bulk` that reads all its keys")


@dataclass(frozen=True, slots=True, eq=False)
class ReportEdge:
    """From a key to the rows of one report.

    `by` is the parameter that takes a single key, None if the report has none. `rows` is the expected number of rows
    of one key per day, before such a call was ever made. `bulk` reads many keys at once. `keep` is a column and a fixed
    parameter: only rows in which both are equal are kept. `one` means that a key names one entity, which `column`
    holds. An unknown key is an error, unless `one` or `maybe` says that it has no rows. `loose` means that the key is a
    user code, which the upstream may compare loosely and spell differently (C27).
    """

    report: Report
    by: str | None
    column: str
    rows: float = 1
    bulk: Bulk | None = None
    keep: tuple[str, str] | None = None
    one: bool = False
    maybe: bool = False
    loose: bool = False

    def __post_init__(self) -> None:
        """Add the edge to the list of edges, wherever it is declared."""
        EDGES.append(self)


# All edges in the order of their declaration. A prediction looks up here how many rows a call is expected to return.
EDGES: list[ReportEdge] = []


def by_parameter(report: Report, by: str, rows: float = 1) -> ReportEdge:
    """Return the edge whose key is the parameter `by` of a report. Its column follows from the report's `echoes`.

    `rows` is the expected number of rows of one key per day.
    """
    _check_parameter(report, by)
    return ReportEdge(report, by, report.echoes.get(by, by), rows)


def distributed(report: Report, column: str, *, each: ReportEdge, by: str, rows: float = 100) -> ReportEdge:
    """Return the edge whose rows come from one call per key of the edge `each`, distributed by a column.

    The parameter `by` takes the keys of `each`, which is read without a key first. `rows` is the expected number of
    rows of one call per day.
    """
    _check_parameter(report, by)
    if column not in report.row.__struct_fields__:
        raise ValueError(f"{report.code}: no column {column} in {report.row.__name__} (upstream/reports/rows.py)")
    return ReportEdge(report, None, column, bulk=Bulk(report, column, rows, each=each, by=by))


def _check_parameter(report: Report, name: str) -> None:
    if name not in report.parameters:
        raise ValueError(f"{report.code}: no parameter {name} in its line of upstream/reports/table.py")


def _whole(report: Report, column: str, rows: float) -> Bulk:
    """Return the way that reads the whole report."""
    return Bulk(report, column, rows)


GROUP_BY_ID = ReportEdge(reports.GROUPS, "id", "id", bulk=_whole(reports.GROUPS, "id", 100), one=True)
GROUP_BY_NAME = ReportEdge(reports.GROUPS, None, "name", bulk=_whole(reports.GROUPS, "name", 100))
USER_BY_ID = ReportEdge(reports.USERS, "id", "id", bulk=_whole(reports.USERS, "id", 1_000), one=True)
USER_BY_USERNAME = ReportEdge(
    reports.USERS, "username", "username", bulk=_whole(reports.USERS, "username", 1_000), one=True
)
USER_BY_EXTERNAL_ID = ReportEdge(
    reports.USERS, None, "external_user_id", bulk=_whole(reports.USERS, "external_user_id", 1_000), one=True
)
USERS_OF_GROUP = ReportEdge(
    reports.USERS, "fkgroup", "group_id", rows=50, bulk=_whole(reports.USERS, "group_id", 1_000)
)
TRANSACTIONS_OF_USER = by_parameter(reports.USER_TRANSACTIONS, "user_id", rows=20)
# The movements of a group's users in that group: R7 of each user, or R5 of the group once both are known to agree.
TRANSACTIONS_IN_GROUP = ReportEdge(
    reports.USER_TRANSACTIONS,
    "user_id",
    "user_id",
    rows=20,
    keep=("group_id", "group"),
    bulk=Bulk(reports.GROUP_MOVEMENTS, "user_id", 20, {"group_id": "group"}, members=USERS_OF_GROUP, exact=False),
)
# The same without `inGroup`, for an operator who knows that users never leave their group (MOVEMENT_JOIN=trust).
TRANSACTIONS_AT_HOME = replace(TRANSACTIONS_IN_GROUP, keep=None)
MOVEMENTS_OF_GROUP = by_parameter(reports.GROUP_MOVEMENTS, "group_id", rows=1_000)
DAILY_MOVEMENTS_OF_GROUP = by_parameter(reports.DAILY_MOVEMENTS, "groupid")
GAMES_OF_ROOM = ReportEdge(
    reports.ROOM_GAMES, "bs_room_id", "room_id", rows=100, bulk=_whole(reports.ROOM_GAMES, "room_id", 300)
)
# The games that movements of a period name are mostly games of that period.
GAMES_OF_PERIOD = ReportEdge(reports.ROOM_GAMES, None, "id", bulk=_whole(reports.ROOM_GAMES, "id", 300))
GAMES_ON_SALE_OF_ROOM = by_parameter(reports.GAMES_ON_SALE, "bs_room_id", rows=100)
GAME_DETAIL_BY_ID = ReportEdge(reports.GAME_DETAIL, "id", "game_id", one=True, rows=100)
GAME_SUMMARY_BY_ID = ReportEdge(reports.GAME_SUMMARY, "id", "bs_game_id_main", one=True)
# Game History does not know a user who has never played there; in the agent's log, too, such a user has no rows.
LOGS_OF_USER = ReportEdge(
    reports.GAME_LOGS,
    "user_code",
    "user_code",
    rows=20,
    bulk=_whole(reports.GAME_LOGS, "user_code", 500),
    maybe=True,
    loose=True,
)
