"""Say how far the random searches of the tests go: `make search` goes ten times as far, or as SEARCH says.

The gate repeats the same searches at each change, so a short one finds what a change breaks. A long one finds what no
change broke. It tries the examples of the short one, too.
"""

import os

EFFORT = float(os.environ.get("SEARCH", "1"))


def tries(number: int) -> int:
    """Return how many examples a search tries that tries `number` of them in the gate."""
    return max(1, round(number * EFFORT))
