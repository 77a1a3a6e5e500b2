"""Texts that a spreadsheet would run as formulas.

A spreadsheet that opens CSV takes a cell for a formula by its first sign. Some skip white space before it, and some
read the full-width signs as well. An apostrophe before the text keeps it a text.
"""

SIGNS = "=+-@\t\r\n＝＋－＠"
APOSTROPHE = "'"


def harmless(text: str) -> str:
    """Return the text, with an apostrophe before it if a spreadsheet might run it."""
    return APOSTROPHE + text if text.startswith(tuple(SIGNS)) else text
