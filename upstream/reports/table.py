"""Declare the reports of both systems: each report is one line, with all facts about it.

Everything that can be derived from the line is derived: parameters and their checks, cache keys and days, the order of
lists and their cursors, made-up rows of a prediction, and the lists of reports in the tests.

Sources: the sections of "GameHub API" 1.3.2 (R codes) and of "Game History" (G1), as the wire contract settles them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from upstream.reports import rows
from upstream.reports.owner import Owner, OwnerColumns, OwnerKind


class System(Enum):
    """Name the two upstream systems."""

    GAMEHUB = "GameHub"
    GAMELOG = "Game History"

    __hash__ = object.__hash__  # there is one object of each; Enum's own hash is computed from the name every time


class Check(Enum):
    """Describe the values that a parameter accepts. They are checked before a call is sent (C6)."""

    ID = "a whole number from 1 to 2^63 - 1"
    STATUS = "a game status from 1 to 8"
    TEXT = "a text of 1 to 1,000 characters, without control characters"
    GAME_TYPE = "a game type such as slot: 1 to 64 letters, digits, blanks and the signs _ - . : +"

    __hash__ = object.__hash__


class EntityKind(Enum):
    """Name the kinds of entity that ids identify. Equal ids of one kind are the same entity in every report."""

    USER = "user"
    GROUP = "group"
    ROOM = "room"
    GAME = "game"
    MOVEMENT = "movement"
    LOG = "log"


class Fingerprint(Enum):
    """Name the cheap call that shows whether the rows of a closed day changed (C25)."""

    TOTALS = "the totals of the day in R1"
    COUNT = "the number of rows, as the upstream counts them"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Describe one parameter of a report, besides its time frame.

    `entity` is the kind of entity that the value identifies. `names` says which owner the value names, if it names one.
    `search` says that rows may hold another value in the column of the same name: the parameter searches, or the column
    holds something else.
    """

    check: Check
    required: bool = False
    entity: EntityKind | None = None
    names: OwnerKind | None = None
    search: bool = False


@dataclass(frozen=True, eq=False)
class Report:
    """Describe one report: how it is called, and what its rows mean.

    - `id` is the column that identifies a row: no two rows of an answer share a value (C37). `entity` is the kind of
      entity that it identifies.
    - `frame` is the name of the time frame's parameter (R codes: `{frame}=range` and its bounds; G1: `start`, `end`).
    - `moment` is the column with the time that the frame selects, if it is an instant; `day`, if it is a date.
    - `echoes` names the column in which a row repeats a parameter, so that rows of others are noticed (C36).
    - `order` are the columns by which lists of its rows are sorted; a minus sign means descending.
    - `signs` gives the sign that an amount without a sign has in the user's wallet, by the type of the row (C19, C20).
    - `totals` gives the daily total (R1) that a row counts towards, by its type (C19): "wagers", "refunds" or "paid".
    - `fingerprint` is the cheap check of closed days that are cached.
    - `unpaged` says that `per_page=-1` exists and is always sent (C7).
    - `single` says that the report describes one entity (C9).
    - `current` says that its rows are the state at this moment, whatever the period: none of its days is ever over.
    - `owner` says which group and user own a row. Without it, every caller sees all rows.
    """

    code: str  # the contract's number, as people write it: R5
    title: str  # the section of the document
    report_type: str  # or the method of Game History
    row: type[rows.Row]
    parameters: Mapping[str, Parameter]
    id: str | None = None
    entity: EntityKind | None = None
    frame: str | None = None
    moment: str | None = None
    day: str | None = None
    action: str = "reports"
    echoes: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    signs: Mapping[str, str] = field(default_factory=dict)
    totals: Mapping[Any, str] = field(default_factory=dict)
    fingerprint: Fingerprint | None = None
    unpaged: bool = False
    single: bool = False
    current: bool = False
    system: System = System.GAMEHUB
    owner: Owner | None = None

    @cached_property
    def time_column(self) -> str | None:
        """Return the column with the time that the frame selects: an instant or a date."""
        return self.moment or self.day

    @cached_property
    def keys(self) -> frozenset[str]:
        """Return the columns without which a row is of no use: its id and its time."""
        return frozenset(name for name in (self.id, self.time_column) if name is not None)

    def __repr__(self) -> str:
        return f"<{self.code} {self.report_type}>"


# The kind of entity that a column names, in the rows of any report and in the objects inside them.
ID_COLUMNS: Mapping[str, EntityKind] = {
    "user_id": EntityKind.USER,
    "group_id": EntityKind.GROUP,
    "seller_group_id": EntityKind.GROUP,
    "room_id": EntityKind.ROOM,
    "game_id": EntityKind.GAME,
    "bs_game_id_main": EntityKind.GAME,
    "movement_id": EntityKind.MOVEMENT,
    "history_id": EntityKind.LOG,
}

_ROOM = Parameter(Check.ID, entity=EntityKind.ROOM)
_REQUIRED_GAME = Parameter(Check.ID, required=True, entity=EntityKind.GAME)
_SEARCH = Parameter(Check.TEXT, search=True)
_GAME_TYPE = Parameter(Check.GAME_TYPE, required=True)
_STATUS = Parameter(Check.STATUS, search=True)
_GROUP = Parameter(Check.ID, entity=EntityKind.GROUP, names=OwnerKind.GROUP)
_REQUIRED_GROUP = Parameter(Check.ID, required=True, entity=EntityKind.GROUP, names=OwnerKind.GROUP)
_FAMILY = Parameter(Check.ID, entity=EntityKind.GROUP, names=OwnerKind.FAMILY, search=True)
# The column of this name holds the room's name.
_ROOM_WITH_NAME = Parameter(Check.ID, required=True, entity=EntityKind.ROOM, search=True)
_USER = Parameter(Check.ID, entity=EntityKind.USER, names=OwnerKind.USER)
_REQUIRED_USER = Parameter(Check.ID, required=True, entity=EntityKind.USER, names=OwnerKind.USER)
_USER_CODE = Parameter(Check.TEXT, entity=EntityKind.USER, names=OwnerKind.CODE)

# The owners of rows. A movement belongs to the group in which it was made, also if its user belongs to another group. A
# game with all its totals belongs to everybody; a winner in it belongs to the user who won, and a ticket to the group
# that sold it.
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
    {"groupid": _REQUIRED_GROUP}, id="timestamp", frame="timestamp", day="timestamp",
    owner=Owner(OwnerKind.GROUP, _OF_NAMED_GROUP), echoes={"groupid": "group_id"},
)  # fmt: skip
ROOM_GAMES = Report(
    "R2", "Bulk Games Report", "api_bulk_games_report", rows.RoomGameRow,
    {"bs_room_id": _ROOM, "status": _STATUS}, id="id", entity=EntityKind.GAME, frame="starts_at", moment="starts_at",
    unpaged=True, owner=_BULK_GAME, echoes={"bs_room_id": "room_id"}, order=("starts_at", "id"),
)  # fmt: skip
GAME_DETAIL = Report(
    "R3", "Retail Game Details", "api_retail_game_details", rows.GameDetailRow,
    {"id": _REQUIRED_GAME}, id="game_id", entity=EntityKind.GAME, single=True, owner=_GAME, echoes={"id": "game_id"},
)  # fmt: skip
GAME_SUMMARY = Report(
    "R4", "Simplified Retail Game Details", "api_retail_game_details_simplified", rows.GameSummaryRow,
    {"id": _REQUIRED_GAME}, id="bs_game_id_main", entity=EntityKind.GAME, single=True, owner=_GAME_SUMMARY,
    echoes={"id": "bs_game_id_main"},
)  # fmt: skip
GROUP_MOVEMENTS = Report(
    "R5", "Retails Movements", "api_retail_movements", rows.GroupMovementRow,
    {"group_id": _REQUIRED_GROUP}, id="movement_id", entity=EntityKind.MOVEMENT, frame="timestamp",
    moment="timestamp", owner=Owner(OwnerKind.GROUP, _OF_NAMED_GROUP, _BY_NAMED_USER), echoes={"group_id": "group_id"},
    order=("-movement_id",), fingerprint=Fingerprint.TOTALS,
    # "Bingo - Wager Cancelled" moves money the other way. The signs of other types are not known.
    signs={"bingo - wager": "-", "bingo - refund": "", "bingo - prize": "", "bingo - jackpot": ""},
    totals={
        "bingo - wager": "wagers", "bingo - refund": "refunds", "bingo - prize": "paid", "bingo - jackpot": "paid",
    },
)  # fmt: skip
GAMES_ON_SALE = Report(
    "R6", "Selling and pre-selling games", "api_selling_and_preselling_games_report", rows.GameOnSaleRow,
    {"bs_room_id": _ROOM_WITH_NAME}, id="id", entity=EntityKind.GAME, frame="starts_at", moment="starts_at",
    order=("starts_at", "id"), current=True,
)  # fmt: skip
USER_TRANSACTIONS = Report(
    "R7", "User Transactions Report", "transaction_report", rows.UserTransactionRow,
    {"user_id": _REQUIRED_USER}, id="movement_id", entity=EntityKind.MOVEMENT, frame="timestamp", moment="timestamp",
    unpaged=True, owner=Owner(OwnerKind.GROUP, _OF_NAMED_GROUP), order=("-movement_id",),
)  # fmt: skip
GROUPS = Report(
    "R8", "Group List Report", "api_groups_report", rows.GroupRow,
    {"id": _GROUP}, id="id", entity=EntityKind.GROUP, order=("id",),
    owner=Owner(OwnerKind.GROUP, OwnerColumns("id", "external_group_id", ("name",))), echoes={"id": "id"},
)  # fmt: skip
USERS = Report(
    "R9", "User List Report", "api_users_report", rows.UserRow,
    {"id": _USER, "username": _SEARCH, "fkgroup": _GROUP}, id="id", entity=EntityKind.USER, order=("id",),
    owner=Owner(OwnerKind.GROUP, OwnerColumns("group_id", "external_group_id", ("fkgroup",))),
    echoes={"id": "id", "fkgroup": "group_id"},
)  # fmt: skip
PROGRESSIVE_JACKPOTS = Report(
    "R10", "Progressive Jackpots Summary", "progressive_jackpot_summary", rows.ProgressiveJackpotRow,
    {},
)  # fmt: skip
FINANCIAL_MOVEMENTS = Report(
    "R11", "Financial Movements Report", "api_movements_external_report", rows.FinancialMovementRow,
    {"group_id": _FAMILY}, frame="timestamp", moment="timestamp", action="group_reports", unpaged=True,
    owner=Owner(OwnerKind.GROUP, _OF_GROUP, _BY_NAMED_USER),
    # A movement of this report has no id: after its time, its other columns distinguish it.
    order=("-timestamp", "group_id", "user_id", "game_id", "type", "subtype", "currency_amount"),
    # By type and subtype. Commissions (100/3 and their refunds 100/5) are no part of a group's daily totals.
    totals={
        (1, 1): "wagers", (3, 1): "refunds", (3, 2): "refunds", (100, 2): "paid", (100, 3): "", (100, 5): "",
    },
)  # fmt: skip
GAME_LOGS = Report(
    "G1", "Game History", "get_game_log", rows.GameLogRow,
    {"game_type": _GAME_TYPE, "user_code": _USER_CODE}, id="history_id", entity=EntityKind.LOG, frame="start",
    moment="created_at", action="", order=("-created_at", "-history_id"), fingerprint=Fingerprint.COUNT,
    system=System.GAMELOG, owner=Owner(OwnerKind.CODE, user=OwnerColumns("user_code")),
    echoes={"user_code": "user_code"},
)  # fmt: skip

REPORTS: tuple[Report, ...] = (
    DAILY_MOVEMENTS, ROOM_GAMES, GAME_DETAIL, GAME_SUMMARY, GROUP_MOVEMENTS, GAMES_ON_SALE, USER_TRANSACTIONS, GROUPS,
    USERS, PROGRESSIVE_JACKPOTS, FINANCIAL_MOVEMENTS, GAME_LOGS,
)  # fmt: skip
