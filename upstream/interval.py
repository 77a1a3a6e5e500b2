"""A period of time, resolved: one half-open interval."""

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` (included) to `end` (not), both aware and in UTC."""

    start: datetime.datetime
    end: datetime.datetime
