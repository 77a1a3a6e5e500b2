"""Totals and buckets are those of all rows of a list, in every engine, with and without the cache, for every caller."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from resolvers.caller import EVERYONE, Caller
from tests.audience import Audience, of_groups
from tests.graph import Graph
from tests.stand import Sandbox

YESTERDAY = "{frame: YESTERDAY}"
WEEK = '{dates: {from: "2026-03-08", to: "2026-03-15"}}'


def money(amounts: list[str]) -> str:
    """Return the sum of amounts, as the graph writes it."""
    whole, _, decimals = f"{sum(map(Decimal, amounts), Decimal('0.00')):f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def of_transactions(nodes: list[dict[str, Any]], currency: bool = False) -> dict[str, Any]:
    """Return the totals of transactions, added up from their rows."""
    by_currency = defaultdict(list)
    for node in nodes:
        by_currency[node.get("currency")].append(node["amount"])
    sums = [
        {
            **({"currency": name} if currency else {}),
            "credits": money([amount for amount in amounts if amount[0] != "-"]),
            "debits": money([amount[1:] for amount in amounts if amount[0] == "-"]),
            "net": money(amounts),
            "smallest": money([min(amounts, key=Decimal)]),
            "largest": money([max(amounts, key=Decimal)]),
        }
        for name, amounts in sorted(by_currency.items())
    ]
    return {
        "count": len(nodes),
        "users": len({node["user"]["id"] for node in nodes if node["user"]}),
        "games": len({node["game"]["id"] for node in nodes if node["game"]}),
        "sums": sums,
        "first": min((node["timestamp"] for node in nodes), default=None),
        "last": max((node["timestamp"] for node in nodes), default=None),
    }


def of_logs(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the totals of game logs, added up from their rows."""
    bet, win = money([node["bet"] for node in nodes]), money([node["win"] for node in nodes])
    rtp = None if not Decimal(bet) else f"{Decimal(win) / Decimal(bet):.6f}"
    return {
        "count": len(nodes),
        "users": len({node["userCode"] for node in nodes}),
        "bet": bet,
        "win": win,
        "ggr": money([bet, f"{-Decimal(win):f}"]),
        "rtp": rtp,
        "first": min((node["createdAt"] for node in nodes), default=None),
        "last": max((node["createdAt"] for node in nodes), default=None),
    }


def of_games(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the totals of games of one room, added up from their rows."""

    def added(name: str) -> str | None:
        amounts = [node[name] for node in nodes if node[name] is not None]
        return money(amounts) if amounts else None

    cards = [node["cardsBought"] for node in nodes if node["cardsBought"] is not None]
    return {
        "count": len(nodes),
        "cardsBought": sum(cards) if cards else None,
        "wagered": added("wagered"),
        "paid": added("paid"),
    }


def of_finance(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the totals of financial movements of groups of one currency, added up from their rows."""
    return {
        "count": len(nodes),
        "users": len({node["user"]["id"] for node in nodes if node["user"]}),
        "sums": [{"amount": money([node["amount"] for node in nodes])}] if nodes else [],
    }


SUMS = "sums { credits debits net smallest largest }"
TRANSACTIONS = "id timestamp type amount user { id } game { id }"
TRANSACTION_TOTALS = f"count users games {SUMS} first last"
LOGS = "id createdAt userCode providerCode gameCode type bet win"
LOG_TOTALS = "count users bet win ggr rtp first last"

# The list, its rows, its totals, and the function that adds up rows; the buckets: their parts, and the key of a row.
Lists = tuple[str, str, str, Callable[[Any], Any], list[tuple[str, str, Callable[[Any], Any]]]]
CASES: dict[str, Lists] = {
    "movements of a group": (
        f'group(id: "383") {{ list: transactions(during: {WEEK}) {{ LIST }} }}',
        TRANSACTIONS,
        TRANSACTION_TOTALS,
        of_transactions,
        [
            ("TYPE", "type", lambda node: {"type": node["type"]}),
            ("DAY USER", "day user { id }", lambda node: {"day": node["timestamp"][:10], "user": node["user"]}),
            ("HOUR", "hour", lambda node: {"hour": node["timestamp"][:13] + ":00:00+00:00"}),
            ("GAME", "game { id }", lambda node: {"game": node["game"]}),
        ],
    ),
    "some movements of a group": (
        f'group(id: "383") {{ list: transactions(during: {WEEK}, where: {{amount: {{gt: "1.00"}}}}) {{ LIST }} }}',
        TRANSACTIONS,
        TRANSACTION_TOTALS,
        of_transactions,
        [("USER", "user { id }", lambda node: {"user": node["user"]})],
    ),
    "movements of a user": (
        f'user(id: "2052") {{ list: transactions(during: {WEEK}) {{ LIST }} }}',
        f"{TRANSACTIONS} currency",
        TRANSACTION_TOTALS.replace("sums {", "sums { currency"),
        lambda nodes: of_transactions(nodes, True),
        [("CURRENCY TYPE", "currency type", lambda node: {"currency": node["currency"], "type": node["type"]})],
    ),
    "game logs": (
        f"list: gameLogs(during: {YESTERDAY}) {{ LIST }}",
        LOGS,
        LOG_TOTALS,
        of_logs,
        [
            ("PROVIDER TYPE", "provider type", lambda node: {"provider": node["providerCode"], "type": node["type"]}),
            ("HOUR", "hour", lambda node: {"hour": node["createdAt"][:13] + ":00:00+00:00"}),
        ],
    ),
    "game logs of a user": (
        f'user(id: "2052") {{ list: gameLogs(during: {WEEK}) {{ LIST }} }}',
        LOGS,
        LOG_TOTALS,
        of_logs,
        [("DAY", "day", lambda node: {"day": node["createdAt"][:10]})],
    ),
    "some game logs": (
        f'list: gameLogs(during: {YESTERDAY}, where: {{type: {{eq: "FREE"}}, win: {{gt: "0"}}}}) {{ LIST }}',
        LOGS,
        LOG_TOTALS,
        of_logs,
        [("GAME", "game", lambda node: {"game": node["gameCode"]})],
    ),
    "games of a room": (
        f'room(id: "2") {{ list: games(during: {YESTERDAY}) {{ LIST }} }}',
        "id startsAt status cardsBought wagered paid configuration { id } room { id }",
        "count cardsBought wagered paid",
        of_games,
        [
            ("STATUS", "status", lambda node: {"status": node["status"]}),
            ("CONFIGURATION", "configuration { id }", lambda node: {"configuration": node["configuration"]}),
            ("ROOM", "room { id }", lambda node: {"room": node["room"]}),
        ],
    ),
    "financial movements": (
        f'list: financialMovements(groupId: "383", during: {YESTERDAY}) {{ LIST }}',
        "timestamp type subtype amount user { id } group { id }",
        "count users sums { amount }",
        of_finance,
        [
            (
                "TYPE SUBTYPE USER",
                "type subtype user { id }",
                lambda node: {"type": node["type"], "subtype": node["subtype"], "user": node["user"]},
            )
        ],
    ),
}


def lists(data: Any) -> list[Any]:
    """Return the lists of an answer."""
    if not isinstance(data, dict):
        return [found for each in data or () for found in lists(each)] if isinstance(data, list) else []
    return [value for key, value in data.items() if key == "list" and value] + [
        found for key, value in data.items() if key != "list" for found in lists(value)
    ]


def check(case: Lists, answer: Any) -> int:
    """Compare the totals and the buckets of each list with its rows. Return the number of rows."""
    _, _, _, added, buckets = case
    seen = 0
    for found in lists(answer):
        nodes = found["nodes"]
        assert len(nodes) == found["totalCount"]
        assert found["totals"] == added(nodes)
        for number, (_, _, key) in enumerate(buckets):
            expected = defaultdict(list)
            for node in nodes:
                expected[repr(key(node))].append(node)
            got = {repr(bucket["key"]): bucket["totals"] for bucket in found[f"b{number}"]}
            assert got == {each: added(some) for each, some in expected.items()}
        seen += len(nodes)
    return seen


def query(case: Lists, *, nodes: bool = True) -> str:
    """Return the query of a case, with or without the rows themselves."""
    root, rows, totals, _, buckets = case
    below = f"totalCount totals {{ {totals} }} " + (f"nodes {{ {rows} }} " if nodes else "")
    for number, (by, key, _) in enumerate(buckets):
        below += f"b{number}: buckets(by: [{by}], first: 1000) {{ key {{ {key} }} totals {{ {totals} }} }} "
    return "{ " + root.replace("LIST", below) + " }"


@pytest.mark.parametrize("compiled", [True, False], ids=["engine", "graphql-core"])
@pytest.mark.parametrize("name", CASES)
async def test_totals_are_those_of_the_rows(name: str, compiled: bool, sandbox: Sandbox) -> None:
    async with Graph(sandbox, compiled=compiled, whole=True) as graph:
        with_rows = await graph.data(query(CASES[name]))
        assert check(CASES[name], with_rows)
        without = await graph.data(query(CASES[name], nodes=False))
        for one, other in zip(lists(with_rows), lists(without), strict=True):
            del one["nodes"]
            assert other == one


@pytest.mark.parametrize("caller", [EVERYONE, of_groups(383)], ids=["open", "restricted"])
@pytest.mark.parametrize("name", CASES)
async def test_the_cache_and_the_caller_do_not_matter(name: str, caller: Caller, sandbox: Sandbox) -> None:
    async with Audience(sandbox, whole=True) as audience:
        text = query(CASES[name])
        cold = await audience.data(text, caller)
        assert check(CASES[name], cold)
        assert await audience.data(text, caller) == cold


MANY = f"""{{ groups(ids: ["383", "384", "386"]) {{ nodes {{ list: transactions(during: {YESTERDAY}) {{
  totalCount nodes {{ {TRANSACTIONS} }} totals {{ {TRANSACTION_TOTALS} }}
  b0: buckets(by: [TYPE], first: 1000) {{ key {{ type }} totals {{ {TRANSACTION_TOTALS} }} }}
}} }} }} }}"""


@pytest.mark.parametrize("compiled", [True, False], ids=["engine", "graphql-core"])
async def test_each_of_many_parents_has_its_own_totals(compiled: bool, sandbox: Sandbox) -> None:
    case = CASES["movements of a group"]
    async with Graph(sandbox, compiled=compiled, whole=True) as graph:
        answer = await graph.ask(MANY)
    assert answer.errors == []
    assert check((*case[:4], case[4][:1]), answer.data) > 300
    assert answer.reports["api_retail_movements"] == 3


async def test_totals_need_no_page_and_one_call(graph: Graph) -> None:
    answer = await graph.ask(
        f'{{ group(id: "383") {{ transactions(during: {YESTERDAY}) {{ totals {{ count sums {{ net }} }} }} }} }}'
    )
    assert answer.data == {"group": {"transactions": {"totals": {"count": 218, "sums": [{"net": "-187.59"}]}}}}
    assert answer.reports == {"api_groups_report": 1, "api_retail_movements": 1}


CURRENCIES = f"""{{ financialMovements(during: {YESTERDAY}) {{
  totals {{ sums {{ currency amount }} }}
  buckets(by: [GROUP], orderBy: AMOUNT_DESC) {{ key {{ group {{ id }} }} totals {{ sums {{ currency amount }} }} }}
  types: buckets(by: [TYPE], orderBy: AMOUNT_DESC) {{ key {{ type }} }}
}} }}"""


async def test_amounts_of_different_currencies_are_not_added(graph: Graph) -> None:
    answer = await graph.ask(CURRENCIES)
    (error,) = answer.errors
    assert error["path"] == ["financialMovements", "types"]
    assert error["message"].startswith("orderBy: a bucket has amounts of several currencies")
    found = answer.data["financialMovements"]
    assert [each["currency"] for each in found["totals"]["sums"]] == ["Real EUR", "Real USD"]
    by_currency = defaultdict(list)
    for bucket in found["buckets"]:
        (each,) = bucket["totals"]["sums"]
        by_currency[each["currency"]].append(each["amount"])
    assert list(by_currency) == ["Real EUR", "Real USD"]
    for each in found["totals"]["sums"]:
        amounts = by_currency[each["currency"]]
        assert money(amounts) == each["amount"]
        assert sorted(amounts, key=Decimal, reverse=True) == amounts


async def test_amounts_of_several_rooms_have_no_sum(graph: Graph) -> None:
    answer = await graph.ask(f"{{ games(during: {YESTERDAY}) {{ totals {{ count wagered }} }} }}")
    assert answer.data == {"games": {"totals": {"count": 354, "wagered": None}}}
    assert [error["path"] for error in answer.errors] == [["games", "totals", "wagered"]]


async def test_amounts_of_several_rooms_are_not_compared(graph: Graph) -> None:
    answer = await graph.ask(
        f"""{{ games(during: {YESTERDAY}) {{
          rooms: buckets(by: [ROOM], orderBy: WAGERED_DESC) {{ key {{ room {{ id }} }} totals {{ wagered }} }}
          statuses: buckets(by: [STATUS], orderBy: WAGERED_DESC) {{ key {{ status }} }}
        }} }}"""
    )
    found = answer.data["games"]
    wagered = [bucket["totals"]["wagered"] for bucket in found["rooms"]]
    assert sorted(wagered, key=Decimal, reverse=True) == wagered
    assert len(wagered) == 3
    assert found["statuses"] is None
    (error,) = answer.errors
    assert error["path"] == ["games", "statuses"]
    assert error["message"].startswith("orderBy: a bucket has games of several rooms")


ORDERS = f"""{{ group(id: "383") {{ transactions(during: {YESTERDAY}) {{
  buckets(by: [USER], orderBy: ORDER, first: 3) {{
    key {{ user {{ id }} }} totals {{ count sums {{ net credits debits }} }}
  }}
}} }} }}"""


@pytest.mark.parametrize(
    ("order", "value", "reverse"),
    [
        ("NET_DESC", lambda totals: Decimal(totals["sums"][0]["net"]), True),
        ("NET_ASC", lambda totals: Decimal(totals["sums"][0]["net"]), False),
        ("CREDITS_DESC", lambda totals: Decimal(totals["sums"][0]["credits"]), True),
        ("DEBITS_DESC", lambda totals: Decimal(totals["sums"][0]["debits"]), True),
        ("COUNT_DESC", lambda totals: totals["count"], True),
    ],
)
async def test_buckets_are_in_order(order: str, value: Callable[[Any], Any], reverse: bool, graph: Graph) -> None:
    text = ORDERS.replace("ORDER", order)
    some = (await graph.data(text))["group"]["transactions"]["buckets"]
    every = (await graph.data(text.replace("first: 3", "first: 1000")))["group"]["transactions"]["buckets"]
    assert len(every) == 5
    assert sorted(every, key=lambda bucket: value(bucket["totals"]), reverse=reverse) == every
    assert every[:3] == some


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("by: []", "by: name at least one part of the key."),
        ("by: [DAY], first: 1001", "first: 1001 is out of bounds; ask for 0 to 1000 buckets."),
        ("by: [DAY], first: -1", "first: -1 is out of bounds; ask for 0 to 1000 buckets."),
    ],
)
async def test_wrong_arguments_are_refused(arguments: str, message: str, graph: Graph) -> None:
    answer = await graph.ask(f"{{ gameLogs(during: {YESTERDAY}) {{ buckets({arguments}) {{ totals {{ count }} }} }} }}")
    assert [(error["message"], error["path"]) for error in answer.errors] == [(message, ["gameLogs", "buckets"])]
    assert answer.data == {"gameLogs": {"buckets": None}}


MADRID = ZoneInfo("Europe/Madrid")
LONG_DAY = """{ gameLogs(during: {dates: {from: "2025-10-26", to: "2025-10-26"}}) {
  nodes { createdAt } buckets(by: [DAY HOUR]) { key { day hour } totals { count first last } }
} }"""


async def test_a_day_with_25_hours_has_25_buckets() -> None:
    with Sandbox(now="2025-10-27T12:00:00+01:00", days=3, users=60) as sandbox:
        async with Graph(sandbox, MADRID, "2025-10-27T12:00:00+01:00", whole=True) as graph:
            found = (await graph.data(LONG_DAY))["gameLogs"]
    expected: dict[str, int] = defaultdict(int)
    for node in found["nodes"]:
        expected[node["createdAt"][:13] + ":00:00" + node["createdAt"][-6:]] += 1
    got = {bucket["key"]["hour"]: bucket["totals"]["count"] for bucket in found["buckets"]}
    assert got == expected
    assert {"2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00"} <= got.keys()
    assert {bucket["key"]["day"] for bucket in found["buckets"]} == {"2025-10-26"}


DAILY = """{ group(id: "383") {
  days: dailyMovements(during: {dates: {from: "2026-02-25", to: "2026-03-11"}}) {
    date totalWagers totalWins totalRefunds totalPaid paidTickets net
  }
  DAY: dailyTotals(during: {dates: {from: "2026-02-25", to: "2026-03-11"}}, by: DAY) { ...all }
  WEEK: dailyTotals(during: {dates: {from: "2026-02-25", to: "2026-03-11"}}, by: WEEK) { ...all }
  MONTH: dailyTotals(during: {dates: {from: "2026-02-25", to: "2026-03-11"}}) { ...all }
  YEAR: dailyTotals(during: {dates: {from: "2026-02-25", to: "2026-03-11"}}, by: YEAR) { ...all }
} }
fragment all on DailyTotals { from to totalWagers totalWins totalRefunds totalPaid paidTickets net }"""
SPANS = {
    "WEEK": ["2026-02-25/2026-03-01", "2026-03-02/2026-03-08", "2026-03-09/2026-03-11"],
    "MONTH": ["2026-02-25/2026-02-28", "2026-03-01/2026-03-11"],
    "YEAR": ["2026-02-25/2026-03-11"],
}


@pytest.mark.parametrize("compiled", [True, False], ids=["engine", "graphql-core"])
async def test_daily_totals_are_those_of_the_days(compiled: bool, sandbox: Sandbox) -> None:
    async with Graph(sandbox, compiled=compiled) as graph:
        answer = await graph.ask(DAILY)
    assert answer.errors == []
    assert answer.reports == {"api_groups_report": 1, "users_report": 1}
    group = answer.data["group"]
    days = group.pop("days")
    assert len(days) == 15
    for unit, found in group.items():
        spans = [f"{each['from']}/{each['to']}" for each in found]
        assert spans == SPANS.get(unit, [f"{day['date']}/{day['date']}" for day in days])
        for each in found:
            some = [day for day in days if each["from"] <= day["date"] <= each["to"]]
            assert each["paidTickets"] == sum(day["paidTickets"] for day in some)
            for name in ("totalWagers", "totalWins", "totalRefunds", "totalPaid", "net"):
                assert each[name] == money([day[name] for day in some])


async def test_no_part_of_the_calendar_is_the_month(graph: Graph) -> None:
    text = f"""query Q($by: Calendar) {{ group(id: "383") {{
      given: dailyTotals(during: {WEEK}, by: $by) {{ from to net }}
      null: dailyTotals(during: {WEEK}, by: null) {{ from to net }}
      month: dailyTotals(during: {WEEK}, by: MONTH) {{ from to net }}
    }} }}"""
    group = (await graph.data(text, by=None))["group"]
    assert group["given"] == group["null"] == group["month"] != []


async def test_a_day_of_another_clock_is_added_up_from_movements(sandbox: Sandbox) -> None:
    text = f"""{{ group(id: "383") {{ days: dailyMovements(during: {WEEK}) {{ date net totalWagers }}
      dailyTotals(during: {WEEK}, by: YEAR) {{ from to net totalWagers }} }} }}"""
    async with Graph(sandbox, MADRID) as graph:
        group = (await graph.data(text))["group"]
        refused = await graph.ask(text.replace("by: YEAR) { from", "by: YEAR) { paidTickets from"))
    nets, wagers = ([day[name] for day in group["days"]] for name in ("net", "totalWagers"))
    assert group["dailyTotals"] == [
        {"from": "2026-03-08", "to": "2026-03-15", "net": money(nets), "totalWagers": money(wagers)}
    ]
    (error,) = refused.errors
    assert "which dailyTotals has. No report has paidTickets of such a day" in error["message"]
