"""The sandbox has a group whose books are in EUR: the amounts of R1, R5 and R11 are in EUR, as R7 says."""

from decimal import Decimal

from tests.graph import Graph

DAY = '{dates: {from: "2026-03-14", to: "2026-03-14"}}'


async def test_the_figures_of_the_group_in_eur(graph: Graph) -> None:
    data = await graph.data(
        f"""{{ groups {{ nodes {{ id currency }} }}
          group(id: "386") {{ id currency
            dailyMovements(during: {DAY}) {{ totalWagers currency }}
            transactions(during: {DAY}, first: 1000) {{ totalCount nodes {{ id type amount user {{ id }} }} }}
            financialMovements(during: {DAY}, first: 1000) {{ nodes {{ typeName amount currency }} }}
            users {{ nodes {{ transactions(during: {DAY}, inGroup: "386", first: 1000) {{
              nodes {{ id amount currency baseAmount baseCurrency }} }} }} }} }} }}"""
    )
    currencies = {group["id"]: group["currency"] for group in data["groups"]["nodes"]}
    assert {"Real USD", "Real EUR"} <= set(currencies.values())
    group = data["group"]
    assert group["currency"] == currencies["386"] == "Real EUR"
    (day,) = group["dailyMovements"]
    wagers = [-Decimal(row["amount"]) for row in group["transactions"]["nodes"] if row["type"] == "Bingo - Wager"]
    financial = [row for row in group["financialMovements"]["nodes"] if row["typeName"] == "Wager transaction"]
    assert wagers
    assert Decimal(day["totalWagers"]) == sum(wagers) == sum(Decimal(row["amount"]) for row in financial)
    assert {day["currency"], *(row["currency"] for row in financial)} == {"Real EUR"}
    own = {row["id"]: row for user in group["users"]["nodes"] for row in user["transactions"]["nodes"]}
    assert own
    for row in group["transactions"]["nodes"]:
        if row["id"] in own:
            assert own[row["id"]]["amount"] == row["amount"]
            assert own[row["id"]]["currency"] == "Real EUR"
            assert abs(Decimal(own[row["id"]]["baseAmount"])) > abs(Decimal(row["amount"]))
