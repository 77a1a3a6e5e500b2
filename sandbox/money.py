"""Money: kept as whole cents of the base currency, written as the reports write it (C14).

A group may keep its books in another currency, at a fixed rate that leaves three decimals at most.
"""

from sandbox.people import BASE_CURRENCY, CURRENCIES


def money(cents: int) -> str:
    """Cents as a decimal string: 10 is "0.10", -2000 is "-20.00"."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def short_money(cents: int) -> str:
    """As R6 writes its prizes: "0", "11", "0.42"."""
    return money(cents).rstrip("0").rstrip(".")


def local_money(cents: int, currency: str) -> str:
    """Cents of the base currency as a decimal string in another: two decimals, or three where it needs them."""
    thousandths = cents * CURRENCIES[currency] // 10
    text = f"{'-' if thousandths < 0 else ''}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"
    return text[:-1] if text.endswith("0") else text


# SQL that writes {0} (cents, not negative) as a decimal string.
SQL_MONEY = "printf('%d.%02d', {0} / 100, {0} % 100)"
# The same in currency {1}; the function is `local_money`, which a connection must know.
SQL_LOCAL_MONEY = f"CASE {{1}} WHEN '{BASE_CURRENCY}' THEN {SQL_MONEY} ELSE local_money({{0}}, {{1}}) END"
# SQL that divides {0} by {1}: a whole number where it is one, else a double, as a JSON number is written.
SQL_NUMBER = "CASE WHEN {0} % {1} = 0 THEN {0} / {1} ELSE {0} / {1}.0 END"
