"""Tickets and their cards."""

from typing import Any

import strawberry
from strawberry import ID

from schema.mapping.entity import Entity, column, link, moment, part
from schema.mapping.links import GroupLink, UserLink
from schema.prize import Prize
from schema.scalars import DateTime
from upstream.decoding.bad_value import sound
from upstream.reports import rows


def _party(value: Any) -> rows.PartyPart | None:
    """PHP writes "none" as `false`."""
    return value if isinstance(sound(value), rows.PartyPart) else None


def _prizes(win: rows.WinPart) -> list[rows.WinPrize]:
    """The report keys them by prize id (C16)."""
    prizes = sound(win.prizes)
    return list(prizes.values()) if isinstance(prizes, dict) else prizes or []


@strawberry.type
class Card(Entity):
    """A bingo card."""

    id: ID = column({rows.CardPart: "card_id"}, "The card's id.")
    numbers: list[int] = column({rows.CardPart: "numbers"}, "The numbers on it.")


@strawberry.type
class TicketWin(Entity):
    """What one card of a ticket won."""

    card_id: ID = column({rows.WinPart: "card_id"}, "The card that won.")
    prizes: list[Prize] = part(Prize, {rows.WinPart: (_prizes, rows.WinPrize)}, "What it won.")


@strawberry.type
class TicketParty(Entity):
    """Who sold a ticket, or who paid it out."""

    user: UserLink | None = link(
        "User", {rows.PartyPart: {"id": "user_id", "external_id": "external_user_id"}}, "The user or terminal."
    )
    group: GroupLink | None = link(
        "Group", {rows.PartyPart: {"id": "group_id", "external_id": "external_group_id"}}, "The group."
    )


ROW = rows.GameDetailTicket


@strawberry.type
class Ticket(Entity):
    """A ticket bought in a game, with its cards (Retail Game Details, R3)."""

    id: ID = column({ROW: "ticket_id"}, "The ticket's id.")
    created_at: DateTime | None = moment({ROW: "created_at"}, "When it was bought.")
    cards: list[Card] = part(Card, {ROW: (lambda row: row.cards or [], rows.CardPart)}, "Its cards.")
    wins: list[TicketWin] = part(
        TicketWin, {ROW: (lambda row: row.win_info or [], rows.WinPart)}, "What its cards won."
    )
    seller_group: GroupLink | None = link(
        "Group",
        {ROW: {"id": "seller_group_id", "external_id": "external_seller_group_id"}},
        "The group that sold it.",
    )
    sold_by: TicketParty | None = part(
        TicketParty, {ROW: (lambda row: _party(row.sell_info), rows.PartyPart)}, "Who sold it."
    )
    paid_by: TicketParty | None = part(
        TicketParty, {ROW: (lambda row: _party(row.pay_info), rows.PartyPart)}, "Who paid its prizes out."
    )
