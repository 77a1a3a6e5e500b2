"""The garbage collector, set for a server: what it starts with is there to stay, and answers are mostly plain data."""

import gc

# A collection stops the server for as long as it looks through containers: some ten million a second. These are so
# many new ones before the youngest are looked through, so many collections of these before all young ones are (20,000 at
# most), and so many of those before everything is: answers hold many containers and few cycles.
YOUNG = 5_000
OLDER = 2
ALL = 3000


def settle() -> None:
    """Leave what there is out of every later collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, ALL)
