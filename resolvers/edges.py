"""The edges of the graph: from keys to the rows of one report, declared once each."""

from dataclasses import dataclass

from upstream import reports
from upstream.reports import Report


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """From a key to the rows of one report.

    Narrow, it is one call a key, which the parameter `by` takes. Wide, it is one call without that parameter, whose
    rows are shared out by `column`; an edge without `wide_from` cannot be read wide. `one` says that the key names one
    entity. An unknown key is an error, unless `one` or `maybe` says that it has no rows. `any_case` says
    that the upstream may write a key in other letters than it is asked for.
    """

    report: Report
    by: str | None
    column: str
    wide_from: int | None = None
    one: bool = False
    maybe: bool = False
    any_case: bool = False


GROUP_BY_ID = Edge(reports.GROUPS, "id", "id", wide_from=5, one=True)
GROUP_BY_NAME = Edge(reports.GROUPS, None, "name", wide_from=1)
USER_BY_ID = Edge(reports.USERS, "id", "id", wide_from=5, one=True)
USER_BY_USERNAME = Edge(reports.USERS, "username", "username", wide_from=5, one=True)
USER_BY_EXTERNAL_ID = Edge(reports.USERS, None, "external_user_id", wide_from=1, one=True)
USERS_OF_GROUP = Edge(reports.USERS, "fkgroup", "group_id", wide_from=5)
TRANSACTIONS_OF_USER = Edge(reports.USER_TRANSACTIONS, "user_id", "user_id")
MOVEMENTS_OF_GROUP = Edge(reports.GROUP_MOVEMENTS, "group_id", "group_id")
DAILY_MOVEMENTS_OF_GROUP = Edge(reports.DAILY_MOVEMENTS, "groupid", "group_id")
FINANCIAL_MOVEMENTS_OF_GROUP = Edge(reports.FINANCIAL_MOVEMENTS, "group_id", "group_id")
GAMES_OF_ROOM = Edge(reports.ROOM_GAMES, "bs_room_id", "room_id", wide_from=2)
GAMES_ON_SALE_OF_ROOM = Edge(reports.GAMES_ON_SALE, "bs_room_id", "bs_room_id")
GAME_DETAIL_BY_ID = Edge(reports.GAME_DETAIL, "id", "game_id", one=True)
GAME_SUMMARY_BY_ID = Edge(reports.GAME_SUMMARY, "id", "bs_game_id_main", one=True)
# Game History does not know a user who has never played there; in the agent's log, too, such a user has no rows.
LOGS_OF_USER = Edge(reports.GAME_LOGS, "user_code", "user_code", wide_from=2, maybe=True, any_case=True)
