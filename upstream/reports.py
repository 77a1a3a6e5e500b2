"""The table of reports: each report of the two systems is declared once, in one line; nothing else says anything of it.

Sources: the sections of "GameHub API" 1.3.2 (R1-R11) and of "Game History" (G1), as settled by the wire contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from upstream import rows


class System(Enum):
    """The two upstream systems."""

    GAMEHUB = "GameHub"
    GAMELOG = "Game History"


class Check(Enum):
    """What a parameter's value must look like; checked before a call leaves (C6)."""

    ID = "a whole number from 1 to 2^63 - 1"
    STATUS = "a game status from 1 to 8"
    TEXT = "a text of 1 to 200 characters"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a report, beside its time frame."""

    check: Check
    required: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One report: how it is asked for and how its rows are read.

    `frame` is the name of the time frame's parameter (R1-R11: `{frame}=range` and its bounds; G1: `start` and `end`),
    `unpaged` says that `per_page=-1` exists and is always sent (C7), `single` that it describes one entity (C9),
    `echoes` names the column in which a row repeats a parameter, so that rows of somebody else are noticed,
    `current` that its rows tell what is so at this moment, whatever the period: none of its days is ever over.
    """

    code: str  # the contract's number, as people write it: R5
    title: str  # the section of the document
    report_type: str  # or the method of Game History
    row: type[rows.Row]
    parameters: Mapping[str, Parameter]
    frame: str | None = None
    action: str = "reports"
    echoes: Mapping[str, str] = field(default_factory=dict)
    unpaged: bool = False
    single: bool = False
    current: bool = False
    system: System = System.GAMEHUB

    @property
    def moment(self) -> str | None:
        """The column of rows that the time frame is about, if it tells an instant: R1's tells a day."""
        if self.system is System.GAMELOG:
            return "created_at"
        return None if self.row is rows.DailyMovement else self.frame

    def __repr__(self) -> str:
        return f"<{self.code} {self.report_type}>"


_ID = Parameter(Check.ID)
_REQUIRED_ID = Parameter(Check.ID, required=True)
_TEXT = Parameter(Check.TEXT)
_REQUIRED_TEXT = Parameter(Check.TEXT, required=True)
_STATUS = Parameter(Check.STATUS)

DAILY_MOVEMENTS = Report(
    "R1", "Bingo Financial Report Daily Movements", "users_report", rows.DailyMovement,
    {"groupid": _REQUIRED_ID}, frame="timestamp", echoes={"groupid": "group_id"},
)  # fmt: skip
ROOM_GAMES = Report(
    "R2", "Bulk Games Report", "api_bulk_games_report", rows.RoomGame,
    {"bs_room_id": _ID, "status": _STATUS}, frame="starts_at", unpaged=True, echoes={"bs_room_id": "room_id"},
)  # fmt: skip
GAME_DETAIL = Report(
    "R3", "Retail Game Details", "api_retail_game_details", rows.GameDetail,
    {"id": _REQUIRED_ID}, single=True, echoes={"id": "game_id"},
)  # fmt: skip
GAME_SUMMARY = Report(
    "R4", "Simplified Retail Game Details", "api_retail_game_details_simplified", rows.GameSummary,
    {"id": _REQUIRED_ID}, single=True,
)  # fmt: skip
GROUP_MOVEMENTS = Report(
    "R5", "Retails Movements", "api_retail_movements", rows.GroupMovement,
    {"group_id": _REQUIRED_ID}, frame="timestamp", echoes={"group_id": "group_id"},
)  # fmt: skip
GAMES_ON_SALE = Report(
    "R6", "Selling and pre-selling games", "api_selling_and_preselling_games_report", rows.GameOnSale,
    {"bs_room_id": _REQUIRED_ID}, frame="starts_at", current=True,
)  # fmt: skip
USER_TRANSACTIONS = Report(
    "R7", "User Transactions Report", "transaction_report", rows.UserTransaction,
    {"user_id": _REQUIRED_ID}, frame="timestamp", unpaged=True,
)  # fmt: skip
GROUPS = Report(
    "R8", "Group List Report", "api_groups_report", rows.Group,
    {"id": _ID}, echoes={"id": "id"},
)  # fmt: skip
USERS = Report(
    "R9", "User List Report", "api_users_report", rows.User,
    {"id": _ID, "username": _TEXT, "fkgroup": _ID}, echoes={"id": "id", "fkgroup": "group_id"},
)  # fmt: skip
PROGRESSIVE_JACKPOTS = Report(
    "R10", "Progressive Jackpots Summary", "progressive_jackpot_summary", rows.ProgressiveJackpot,
    {},
)  # fmt: skip
FINANCIAL_MOVEMENTS = Report(
    "R11", "Financial Movements Report", "api_movements_external_report", rows.FinancialMovement,
    {"group_id": _ID}, frame="timestamp", action="group_reports", unpaged=True,
)  # fmt: skip
GAME_LOGS = Report(
    "G1", "Game History", "get_game_log", rows.GameLog,
    {"game_type": _REQUIRED_TEXT, "user_code": _TEXT}, frame="start", action="",
    echoes={"user_code": "user_code"}, system=System.GAMELOG,
)  # fmt: skip

REPORTS: tuple[Report, ...] = (
    DAILY_MOVEMENTS, ROOM_GAMES, GAME_DETAIL, GAME_SUMMARY, GROUP_MOVEMENTS, GAMES_ON_SALE, USER_TRANSACTIONS, GROUPS,
    USERS, PROGRESSIVE_JACKPOTS, FINANCIAL_MOVEMENTS, GAME_LOGS,
)  # fmt: skip
