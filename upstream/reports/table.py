"""The table of reports: each report of the two systems is declared once, in one line; nothing else says anything of it.

Sources: the sections of "GameHub API" 1.3.2 (R1-R11) and of "Game History" (G1), as settled by the wire contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from upstream.reports import rows
from upstream.reports.owner import Owner, OwnerColumns, OwnerKind


class System(Enum):
    """The two upstream systems."""

    GAMEHUB = "GameHub"
    GAMELOG = "Game History"

    __hash__ = object.__hash__  # there is one of each; that of an Enum is computed anew from its name


class Check(Enum):
    """What a parameter's value must look like; checked before a call leaves (C6)."""

    ID = "a whole number from 1 to 2^63 - 1"
    STATUS = "a game status from 1 to 8"
    TEXT = "a text of 1 to 1,000 characters, without control characters"
    GAME_TYPE = "a game type such as slot: 1 to 64 letters, digits, blanks and the signs _ - . : +"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a report, beside its time frame; `names` says whose rows its value asks for, if it does."""

    check: Check
    required: bool = False
    names: OwnerKind | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """One report: how it is asked for and how its rows are read.

    `frame` is the name of the time frame's parameter (R1-R11: `{frame}=range` and its bounds; G1: `start` and `end`),
    `unpaged` says that `per_page=-1` exists and is always sent (C7), `single` that it describes one entity (C9),
    `id` is the column that tells rows apart: no two rows of an answer share one (C37),
    `echoes` names the column in which a row repeats a parameter, so that rows of somebody else are noticed (C36),
    `current` that its rows tell what is so at this moment, whatever the period: none of its days is ever over.
    `owner` says whose its rows are; without one they are nobody's.
    """

    code: str  # the contract's number, as people write it: R5
    title: str  # the section of the document
    report_type: str  # or the method of Game History
    row: type[rows.Row]
    parameters: Mapping[str, Parameter]
    id: str | None = None
    frame: str | None = None
    action: str = "reports"
    echoes: Mapping[str, str] = field(default_factory=dict)
    unpaged: bool = False
    single: bool = False
    current: bool = False
    system: System = System.GAMEHUB
    owner: Owner | None = None

    @property
    def moment(self) -> str | None:
        """The column of rows that the time frame is about, if it tells an instant: R1's tells a day."""
        if self.system is System.GAMELOG:
            return "created_at"
        return None if self.row is rows.DailyMovementRow else self.frame

    @cached_property
    def keys(self) -> frozenset[str]:
        """The columns without which no row is of use here: its id and its time."""
        return frozenset(name for name in (self.id, self.moment or self.frame) if name is not None)

    def __repr__(self) -> str:
        return f"<{self.code} {self.report_type}>"


_ID = Parameter(Check.ID)
_REQUIRED_ID = Parameter(Check.ID, required=True)
_TEXT = Parameter(Check.TEXT)
_GAME_TYPE = Parameter(Check.GAME_TYPE, required=True)
_STATUS = Parameter(Check.STATUS)
_GROUP = Parameter(Check.ID, names=OwnerKind.GROUP)
_REQUIRED_GROUP = Parameter(Check.ID, required=True, names=OwnerKind.GROUP)
_FAMILY = Parameter(Check.ID, names=OwnerKind.FAMILY)
_USER = Parameter(Check.ID, names=OwnerKind.USER)
_REQUIRED_USER = Parameter(Check.ID, required=True, names=OwnerKind.USER)
_USER_CODE = Parameter(Check.TEXT, names=OwnerKind.CODE)

# Whose rows are. A movement is the group's it was made in, also if the user who made it belongs to another; a game is
# everybody's, with all its totals; who won in it is the winner's, and a ticket the group's that sold it.
_OF_GROUP = OwnerColumns("group_id", "external_group_id")
_OF_NAMED_GROUP = OwnerColumns("group_id", "external_group_id", ("group_name",))
_BY_USER = OwnerColumns("user_id", "external_user_id")
_BY_NAMED_USER = OwnerColumns("user_id", "external_user_id", ("username",))
_CARD_WINNER = Owner(OwnerKind.USER, user=_BY_USER)
_PRIZE_TICKET = Owner(OwnerKind.USER, _OF_GROUP, _BY_USER)
_PARTY = Owner(None, _OF_GROUP, _BY_USER)
_TICKET = Owner(
    OwnerKind.GROUP,
    OwnerColumns("seller_group_id", "external_seller_group_id"),
    parts={"pay_info": _PARTY, "sell_info": _PARTY},
)
_BULK_GAME = Owner(parts={"winners": _CARD_WINNER})
_GAME = Owner(
    parts={
        "prizes": Owner(
            parts={"winners": _PRIZE_TICKET}, only_with_parts=("bs_user_bought_strip_id", "won_at_card")
        ),
        "progressive_jackpot": Owner(parts={"winners": _PRIZE_TICKET}),
        "tickets": _TICKET,
        "winners": _CARD_WINNER,
    }
)  # fmt: skip
_GAME_SUMMARY = Owner(parts={"bs_game_prizes": Owner(parts={"winners": _CARD_WINNER})})

DAILY_MOVEMENTS = Report(
    "R1", "Bingo Financial Report Daily Movements", "users_report", rows.DailyMovementRow,
    {"groupid": _REQUIRED_GROUP}, id="timestamp", frame="timestamp", owner=Owner(OwnerKind.GROUP, _OF_NAMED_GROUP),
    echoes={"groupid": "group_id"},
)  # fmt: skip
ROOM_GAMES = Report(
    "R2", "Bulk Games Report", "api_bulk_games_report", rows.RoomGameRow,
    {"bs_room_id": _ID, "status": _STATUS}, id="id", frame="starts_at", unpaged=True, owner=_BULK_GAME,
    echoes={"bs_room_id": "room_id"},
)  # fmt: skip
GAME_DETAIL = Report(
    "R3", "Retail Game Details", "api_retail_game_details", rows.GameDetailRow,
    {"id": _REQUIRED_ID}, id="game_id", single=True, owner=_GAME, echoes={"id": "game_id"},
)  # fmt: skip
GAME_SUMMARY = Report(
    "R4", "Simplified Retail Game Details", "api_retail_game_details_simplified", rows.GameSummaryRow,
    {"id": _REQUIRED_ID}, id="bs_game_id_main", single=True, owner=_GAME_SUMMARY, echoes={"id": "bs_game_id_main"},
)  # fmt: skip
GROUP_MOVEMENTS = Report(
    "R5", "Retails Movements", "api_retail_movements", rows.GroupMovementRow,
    {"group_id": _REQUIRED_GROUP}, id="movement_id", frame="timestamp",
    owner=Owner(OwnerKind.GROUP, _OF_NAMED_GROUP, _BY_NAMED_USER), echoes={"group_id": "group_id"},
)  # fmt: skip
GAMES_ON_SALE = Report(
    "R6", "Selling and pre-selling games", "api_selling_and_preselling_games_report", rows.GameOnSaleRow,
    {"bs_room_id": _REQUIRED_ID}, id="id", frame="starts_at", current=True,
)  # fmt: skip
USER_TRANSACTIONS = Report(
    "R7", "User Transactions Report", "transaction_report", rows.UserTransactionRow,
    {"user_id": _REQUIRED_USER}, id="movement_id", frame="timestamp", unpaged=True,
    owner=Owner(OwnerKind.GROUP, _OF_NAMED_GROUP),
)  # fmt: skip
GROUPS = Report(
    "R8", "Group List Report", "api_groups_report", rows.GroupRow,
    {"id": _GROUP}, id="id",
    owner=Owner(OwnerKind.GROUP, OwnerColumns("id", "external_group_id", ("name",))), echoes={"id": "id"},
)  # fmt: skip
USERS = Report(
    "R9", "User List Report", "api_users_report", rows.UserRow,
    {"id": _USER, "username": _TEXT, "fkgroup": _GROUP}, id="id",
    owner=Owner(OwnerKind.GROUP, OwnerColumns("group_id", "external_group_id", ("fkgroup",))),
    echoes={"id": "id", "fkgroup": "group_id"},
)  # fmt: skip
PROGRESSIVE_JACKPOTS = Report(
    "R10", "Progressive Jackpots Summary", "progressive_jackpot_summary", rows.ProgressiveJackpotRow,
    {},
)  # fmt: skip
FINANCIAL_MOVEMENTS = Report(
    "R11", "Financial Movements Report", "api_movements_external_report", rows.FinancialMovementRow,
    {"group_id": _FAMILY}, frame="timestamp", action="group_reports", unpaged=True,
    owner=Owner(OwnerKind.GROUP, _OF_GROUP, _BY_NAMED_USER),
)  # fmt: skip
GAME_LOGS = Report(
    "G1", "Game History", "get_game_log", rows.GameLogRow,
    {"game_type": _GAME_TYPE, "user_code": _USER_CODE}, id="history_id", frame="start", action="",
    system=System.GAMELOG, owner=Owner(OwnerKind.CODE, user=OwnerColumns("user_code")),
    echoes={"user_code": "user_code"},
)  # fmt: skip

REPORTS: tuple[Report, ...] = (
    DAILY_MOVEMENTS, ROOM_GAMES, GAME_DETAIL, GAME_SUMMARY, GROUP_MOVEMENTS, GAMES_ON_SALE, USER_TRANSACTIONS, GROUPS,
    USERS, PROGRESSIVE_JACKPOTS, FINANCIAL_MOVEMENTS, GAME_LOGS,
)  # fmt: skip
