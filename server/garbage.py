"""The garbage collector, set for a server: what it starts with is there to stay, and answers are mostly plain data."""

import gc

# Containers that may be made before the youngest are looked through; answers hold tens of thousands, and few cycles.
YOUNG = 50_000


def settle() -> None:
    """Leave what there is out of every later collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
