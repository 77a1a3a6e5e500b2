"""The recorded answers of the saved queries, a file each: the variables, the upstream calls and the data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "answers"
HOUR = {"between": {"from": "2026-03-15T11:00:00Z", "until": "2026-03-15T11:30:00Z"}}
# What a query is asked with when it is recorded for the first time.
FIRST: dict[str, dict[str, Any]] = {
    "DailyMovements": {"group": "382", "during": {"frame": "LAST_WEEK"}},
    "FinancialMovements": {"group": "348", "during": HOUR},
    "GameDetails": {"game": "9570005"},
    "GameLogs": {"during": HOUR},
    "GameTotals": {"game": "9570005"},
    "Games": {"room": "1", "during": HOUR},
    "GamesOfRoom": {"room": "1", "during": HOUR},
    "GamesOnSale": {"room": "1"},
    "GroupLedger": {"group": "383", "during": HOUR},
    "GroupTransactions": {"group": "382", "during": HOUR},
    "GroupWalk": {"group": "382", "during": HOUR},
    "GroupWalkInGroup": {"group": "382", "during": HOUR},
    "Rooms": {"during": {"frame": "YESTERDAY"}},
    "UserGameLogs": {"user": "2001", "during": {"frame": "TODAY"}},
    "UserTransactions": {"user": "2001", "during": {"frame": "TODAY"}},
    "Users": {"group": "383"},
}


def saved() -> dict[str, str]:
    """The text of every saved query, by its file's name."""
    return {path.stem: path.read_text() for path in sorted((ROOT / "queries").glob("*.graphql"))}


@dataclass
class Answer:
    """What a saved query answers for some variables, and how many calls of which reports it takes."""

    name: str
    variables: dict[str, Any]
    calls: dict[str, int]
    data: dict[str, Any] | None

    @classmethod
    def read(cls, name: str) -> Self:
        """The recorded answer; for a query that has none yet, the variables to record it with."""
        path = FOLDER / f"{name}.json"
        if not path.exists():
            return cls(name, FIRST.get(name, {}), {}, None)
        return cls(name, **orjson.loads(path.read_bytes()))

    def write(self) -> None:
        """Record it."""
        FOLDER.mkdir(exist_ok=True)
        told = {"variables": self.variables, "calls": self.calls, "data": self.data}
        (FOLDER / f"{self.name}.json").write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
