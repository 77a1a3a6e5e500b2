"""Set the garbage collector for a server: its first objects stay for ever, and answers are mostly plain data."""

import gc

# A collection stops the server while it scans containers. It scans YOUNG new containers at a time, all young ones
# (12,000 at most) after OLDER such collections, and everything after ALL of those. Answers have many containers and
# few cycles.
YOUNG = 3_000
OLDER = 2
ALL = 5000


def exclude_present() -> None:
    """Exclude all present objects from later collections."""
    gc.collect()
    gc.freeze()


def settle() -> None:
    """Exclude all present objects from later collections, and collect less often. Turn the collector on."""
    exclude_present()
    gc.set_threshold(YOUNG, OLDER, ALL)
    gc.enable()
