"""The one rule for spellings of user codes: whether a spelling in a row denotes the user who has a code (C27).

An upstream may compare codes without case, accents and trailing blanks, as common databases do. So a row that was found
for the code `bob` may hold `Bob` or `BOB `. The rule: a row belongs to the user who has exactly its spelling. If there
is none, it belongs to the only user whose code differs in nothing but case, accents or trailing blanks. If several
users have such a code, nobody can decide whose the row is.
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
    """The codes of all users of one agent, by which the rule decides."""

    def __init__(self, codes: Iterable[str]) -> None:
        self._codes = frozenset(codes)
        self._alike: defaultdict[str, set[str]] = defaultdict(set)
        for code in self._codes:
            self._alike[fold(code)].add(code)

    def owners(self, spelling: str) -> frozenset[str]:
        """Return the codes that a spelling denotes: none, one, or several if nobody can decide whose it is."""
        return frozenset((spelling,)) if spelling in self._codes else frozenset(self._alike.get(fold(spelling), ()))
