"""Tickets and their cards."""

import strawberry
from strawberry import ID

from schema.mapping.columns import EntityLink, column, link, moment, part
from schema.mapping.entity import Entity
from schema.mapping.reading.ticket import party, prizes_of_win
from schema.prize import Prize
from schema.scalars import DateTime
from upstream.reports import rows


@strawberry.type
class Card(Entity):
    """A bingo card."""

    id: ID = column({rows.CardPart: "card_id"}, "The card's id.")
    numbers: list[int] = column({rows.CardPart: "numbers"}, "The numbers on it.")


@strawberry.type
class TicketWin(Entity):
    """The prizes that one card of a ticket won."""

    card_id: ID = column({rows.WinPart: "card_id"}, "The card that won.")
    prizes: list[Prize] = part(Prize, {rows.WinPart: (prizes_of_win, rows.WinPrize)}, "The prizes that it won.")


@strawberry.type
class TicketParty(Entity):
    """The user and the group that sold a ticket or paid it out."""

    user: EntityLink = link(
        "User", {rows.PartyPart: {"id": "user_id", "external_id": "external_user_id"}}, "The user or terminal."
    )
    group: EntityLink = link(
        "Group", {rows.PartyPart: {"id": "group_id", "external_id": "external_group_id"}}, "The group."
    )


ROW = rows.GameDetailTicket


@strawberry.type
class Ticket(Entity):
    """A ticket bought in a game, with its cards (Retail Game Details, R3)."""

    id: ID = column({ROW: "ticket_id"}, "The ticket's id.")
    created_at: DateTime | None = moment({ROW: "created_at"}, "The moment of the purchase.")
    cards: list[Card] = part(Card, {ROW: (lambda row: row.cards or [], rows.CardPart)}, "The cards of the ticket.")
    wins: list[TicketWin] = part(
        TicketWin, {ROW: (lambda row: row.win_info or [], rows.WinPart)}, "The prizes that its cards won."
    )
    seller_group: EntityLink = link(
        "Group",
        {ROW: {"id": "seller_group_id", "external_id": "external_seller_group_id"}},
        "The group that sold the ticket.",
    )
    sold_by: TicketParty | None = part(
        TicketParty, {ROW: (lambda row: party(row.sell_info), rows.PartyPart)}, "The seller of the ticket."
    )
    paid_by: TicketParty | None = part(
        TicketParty,
        {ROW: (lambda row: party(row.pay_info), rows.PartyPart)},
        "The user and the group that paid its prizes out.",
    )
