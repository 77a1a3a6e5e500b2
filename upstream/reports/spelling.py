"""Decide whether a spelling in a row denotes the user with a certain code (C27).

An upstream may compare codes without case, accents and trailing blanks, as common databases do. So a row that was found
for the code `bob` may hold `Bob` or `BOB `. The rule: a row belongs to the user with exactly its spelling. If there is
none, it belongs to the only user whose code differs only in case, accents or trailing blanks. If several users have
such a code, the owner of the row is undecided.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

# Letters with a stroke have no decomposition, but databases that ignore accents compare them as their plain letters.
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe"})


@lru_cache(maxsize=65_536)
def fold(spelling: str) -> str:
    """Return the spelling without case, accents and trailing blanks: what a loose comparison looks at."""
    if spelling.isascii():
        return spelling.lower().rstrip(" ")
    letters = unicodedata.normalize("NFKD", spelling.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return plain.casefold().translate(_STROKES).rstrip(" ")


class Spellings:
    """Hold the codes of all users of one agent, and decide by them."""

    def __init__(self, codes: Iterable[str]) -> None:
        self._codes = frozenset(codes)
        self._alike: defaultdict[str, set[str]] = defaultdict(set)
        for code in self._codes:
            self._alike[fold(code)].add(code)

    def owners(self, spelling: str) -> frozenset[str]:
        """Return the codes that a spelling denotes: none, one, or several if the owner is undecided."""
        return frozenset((spelling,)) if spelling in self._codes else frozenset(self._alike.get(fold(spelling), ()))
