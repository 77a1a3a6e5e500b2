"""Count durations by their length, so that a share of them can be computed later: the data of a histogram."""

from bisect import bisect_left

# The longest duration of each class, in seconds. Longer ones are in a class of their own.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)


class Durations:
    """Hold the number of durations in each class, and the sum of all of them in seconds."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        """Count a duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def __add__(self, other: "Durations") -> "Durations":
        both = Durations()
        both.counts = [ours + theirs for ours, theirs in zip(self.counts, other.counts, strict=True)]
        both.seconds = self.seconds + other.seconds
        return both
