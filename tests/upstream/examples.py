"""Every example answer of the two documents, its slips mended (commas, braces, quotes, `..`), and exactly what it says.

R3 and R4 have examples of their parts alone, which stand together here; R10 has none.
"""

import datetime
from pathlib import Path
from typing import Any

from upstream.reports import rows
from upstream.reports.rows import Row

FOLDER = Path(__file__).parent / "examples"


def example(name: str) -> bytes:
    """The answer, byte for byte."""
    return (FOLDER / f"{name}.json").read_bytes()


_WON = [("One line", "0.49"), ("Two lines", "0.66"), ("Fullhouse", "2.17")]
_T: dict[str, Any] = {"group_id": 382, "external_group_id": "382", "group_name": "E2E Development - Physical"}
_AMOUNT = {"currency_amount": "-0.10", "currency_id": "Real USD"}
_BASE = {"base_currency_amount": "-0.10", "base_currency_id": "Real USD"}
_BALLS = [84, 14, 45, 43, 51, 68, 17, 18, 90, 7]


def _prizes_on_sale() -> list[rows.GameOnSalePrize]:
    names = enumerate(("One line", "Two lines", "Fullhouse"), 1)
    return [rows.GameOnSalePrize(id=number, description=name, amount="0.00") for number, name in names]


ROWS: dict[str, list[Row]] = {
    "R1": [
        rows.DailyMovementRow(
            timestamp=datetime.date(2019, 9, 5),
            group_name="Local 1 (0.00%)",
            group_id=350,
            external_group_id="350",
            total_wagers_real="30.00",
            total_wins_real="0.00",
            total_refunds_real="0.00",
            total_paid="-20.00",
            total_paid_tickets=5,
            net="10.00",
        ),
        rows.DailyMovementRow(
            timestamp=datetime.date(2019, 9, 6),
            group_name="Local 1 (0.00%)",
            group_id=350,
            external_group_id="350",
            total_wagers_real="3.00",
            total_wins_real="0.00",
            total_refunds_real="0.00",
            total_paid="0.00",
            total_paid_tickets=0,
            net="3.00",
        ),
    ],
    "R2": [
        rows.RoomGameRow(
            id=1384860,
            room_id=1,
            room_name="Example",
            game_configuration_id=134,
            game_configuration_name="The test",
            status=3,
            status_name="Played",
            card_price="5.00",
            cards_bought=24,
            wagered="120.00",
            paid="81.71",
            prizes=[
                rows.RoomGamePrize(id=3499, prize_name="One line", paid="15.10", call_number=37),
                rows.RoomGamePrize(id=3500, prize_name="Two lines", paid="22.65", call_number=57),
                rows.RoomGamePrize(id=3501, prize_name="Fullhouse", paid="37.77", call_number=68),
                rows.RoomGamePrize(id=3502, prize_name="PJP", paid="6.19", call_number=68),
            ],
            winners=[
                rows.CardWinner(
                    user_name="u1", user_id=60, card_id=card, call_number=call, card_holder_name="u1", prize_name=prize
                )
                for card, call, prize in (
                    ("6010-2", 73, "One line"),
                    ("6010-1", 81, "Two lines"),
                    ("6010-1", 85, "Fullhouse"),
                )
            ],
            starts_at=1574351555_000000,
            finished_at=1574351633_000000,
        )
    ],
    "R3": [
        rows.GameDetailRow(
            game_id=23,
            progressive_jackpot=rows.GameDetailJackpot(
                name="PJP Name",
                pjp_winnable_until_call=85,
                winners=[rows.PrizeTicket(ticket_id="10807-2", amount_won="7.29", user_id=56, group_id=2)],
            ),
            prizes=[
                rows.GameDetailPrize(
                    id=3676,
                    prize_name="One line",
                    paid="11.39",
                    bs_user_bought_strip_id="10813",
                    won_at_card=8,
                    call_number=37,
                    winners=[
                        rows.PrizeTicket(
                            ticket_id="10813-4",
                            amount_won="11.39",
                            user_id=56,
                            external_user_id="56",
                            external_group_id="2",
                        )
                    ],
                )
            ],
            tickets=[
                rows.GameDetailTicket(
                    ticket_id="164522q8bs",
                    created_at=1574694799_000000,
                    seller_group_id=2,
                    external_seller_group_id="2",
                    win_info=[
                        rows.WinPart(
                            prizes={
                                "3678": rows.WinPrize(id=3678, name="Fullhouse", amount="17.84"),
                                "3679": rows.WinPrize(id=3679, name="PJP", amount="7.29"),
                            },
                            card_id="10807-2",
                        )
                    ],
                    pay_info=rows.PartyPart(
                        user_id=8241, group_id=9614, external_user_id="8241", external_group_id="9614"
                    ),
                    sell_info=rows.PartyPart(user_id=56, group_id=2, external_user_id="56", external_group_id="2"),
                    cards=[rows.CardPart(numbers=[4, 14, 36, 58, 68, 12, 21, 47], card_id="10806-1")],
                )
            ],
            winners=[
                rows.CardWinner(
                    user_name="u1",
                    user_id=60,
                    external_user_id="60",
                    card_id="6010-2",
                    call_number=73,
                    card_holder_name="u1",
                    prize_name="One line",
                )
            ],
            balls=_BALLS,
        )
    ],
    "R4": [
        rows.GameSummaryRow(
            bs_game_id_main=23,
            bs_game_prizes=[
                rows.GameSummaryPrize(
                    prize_name=name,
                    amount=amount,
                    winners=[
                        rows.GameSummaryWinner(
                            username="TEST",
                            user_id=2090,
                            amount=rows.PrizeAmount(real=amount, bonus="0.00"),
                            ticket_id="7692-6",
                            external_user_id="4677",
                        )
                    ],
                )
                for name, amount in _WON
            ],
            balls=_BALLS,
        )
    ],
    "R5": [
        rows.GroupMovementRow(
            movement_id=number,
            timestamp=time,
            group_id=390,
            external_group_id="390",
            group_name="E2E Testing Group",
            user_id=2092,
            external_user_id="2092",
            username="E2E Testing User 2C6F62B",
            type="Bingo - Wager",
            currency_amount=amount,
        )
        for number, time, amount in ((3500, 1660752199_000000, "1.00"), (3496, 1660752018_000000, "3.00"))
    ],
    "R6": [
        rows.GameOnSaleRow(
            id=number,
            bs_room_id="E2E Bingo 90",
            starts_at=time,
            cards_bought=0,
            canceled_tickets_sum=0,
            card_price="1.00",
            status="Currently Selling",
            prizes=_prizes_on_sale(),
        )
        for number, time in ((9290776, 1660734078_000000), (9299270, 1660754302_000000))
    ],
    # 2022-08-18 15:28:42 and 15:27:14 in UTC
    "R7": [
        rows.UserTransactionRow(
            movement_id=number, timestamp=time, movement_type="Bingo - Wager", **_T, **_AMOUNT, **_BASE
        )
        for number, time in ((3506, 1660836522_000000), (3505, 1660836434_000000))
    ],
    "R8": [rows.GroupRow(id=347, external_group_id="347", name="Integrations", type="Manager")],
    "R9": [rows.UserRow(id=23, username="E2E Testing User", fkgroup="Group Name")],
    "R11": [
        rows.FinancialMovementRow(
            timestamp=time,
            group_id=23,
            external_group_id="23",
            type=1,
            subtype=1,
            currency_amount="1.00",
            user_id=56,
            external_user_id="56",
            game_id=game,
            username="tv1",
        )
        for time, game in ((1567706013_000000, 787048), (1567709616_000000, 787422))
    ],
    "G1": [
        rows.GameLogRow(
            history_id=777,
            agent_code="admin",
            user_code="test",
            provider_code="PRAGMATIC",
            game_code="vs20doghouse",
            type="BASE",
            bet_money="2000.00",
            win_money="0.00",
            txn_id="64a83f2fc597acc9004eec52c3f84c30",
            txn_type="debit_credit",
            user_start_balance="230500.00",
            user_end_balance="228500.00",
            agent_start_balance="22092000.00",
            agent_end_balance="22092000.00",
            created_at=1631883042_000000,
        )
    ],
}
"""What the examples say, for systems whose time zone is UTC."""
