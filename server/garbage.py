"""The garbage collector, set for a server: what it starts with is there to stay, and answers are mostly plain data."""

import gc

# A collection stops the server for as long as it looks through containers. YOUNG new ones are looked through at once,
# all young ones (12,000 at most) after OLDER of these collections, and everything after ALL of those: answers hold many
# containers and few cycles.
YOUNG = 3_000
OLDER = 2
ALL = 5000


def settle() -> None:
    """Leave what there is out of every later collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, ALL)
