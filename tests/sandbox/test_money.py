import sqlite3
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from sandbox.money import SQL_MONEY, SQL_NUMBER, local_money, money, short_money


@given(st.integers(-(10**12), 10**12))
def test_money_has_two_decimals_and_keeps_every_cent(cents: int) -> None:
    assert Decimal(money(cents)) == Decimal(cents) / 100
    assert len(money(cents).split(".")[1]) == 2
    assert local_money(cents, "Real USD") == money(cents)


@given(st.integers(-(10**9), 10**9))
def test_the_other_currency_is_exact_to_the_third_decimal(cents: int) -> None:
    assert Decimal(local_money(cents, "Real EUR")) == Decimal(cents) * 8 / 1000


@given(st.integers(0, 10**12))
def test_sql_writes_the_same(cents: int) -> None:
    database = sqlite3.connect(":memory:")
    text, number = database.execute(
        f"SELECT {SQL_MONEY.format('?1')}, {SQL_NUMBER.format('?1', 100)}", (cents,)
    ).fetchone()
    database.close()
    assert text == money(cents)
    assert Decimal(str(number)) == Decimal(cents) / 100


def test_short_money_drops_what_says_nothing() -> None:
    assert [short_money(cents) for cents in (0, 1100, 42, 150)] == ["0", "11", "0.42", "1.5"]
