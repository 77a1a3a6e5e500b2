"""Show a plan to people: a table of the calls, with the calls that were really made if they are known."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

CallFacts = Mapping[str, Any]


def table(explained: CallFacts, trace: Sequence[CallFacts] | None = None) -> Table:
    """Return the table of a plan, with one line for equal calls. `trace` is the trace of the same operation."""
    made = _together(trace) if trace is not None else None
    found = Table(
        caption=_summary(explained, trace), caption_justify="left", caption_style="", box=None, pad_edge=False
    )
    for title, justify in (("report", "left"), ("of", "left"), ("way", "left"), ("calls", "right"), ("rows", "right")):
        found.add_column(title, justify=justify)  # type: ignore[arg-type]
    found.add_column("ms", justify="right")
    if made is not None:
        for title in ("made", "rows", "ms"):
            found.add_column(title, justify="right", style="bold")
    found.add_column("for")
    found.add_column("rather than")
    places = dict.fromkeys(map(_place, explained["plan"])) | dict.fromkeys(made or ())
    planned = {_place(part): part for part in explained["plan"]}
    for place in places:
        part = planned.get(place)
        line = ["-", "-", "-"] if part is None else [_calls(part), str(part["rows"]), _ms(part["seconds"])]
        if made is not None:
            line += made[place].line() if place in made else ["0", "0", "-"]
        call: Any = part if part is not None else made[place].first if made is not None else {}
        rejected = "; ".join(
            f"{way['way']}: {way['calls']} × {way['report']}, {_ms(way['price'])} ms" for way in call["rejected"]
        )
        scope = ", ".join(f"{name} {_value(value)}" for name, value in call["parameters"].items())
        # The first of several calls with one key each represents all, so its key is not a scope.
        scope = scope if part is not None else "not foreseen"
        found.add_row(
            call["report"], scope or "all", call["way"] or "alone", *line, ", ".join(call["fields"]), rejected or "-"
        )
    return found


class _CallRow:
    """Calls of a trace that are equal but for their keys."""

    def __init__(self, first: CallFacts) -> None:
        self.first = first
        self.steps: list[CallFacts] = []

    def line(self) -> list[str]:
        """Return the calls, the rows, and the milliseconds from the first start to the last end."""
        start = min(step["start"] for step in self.steps)
        end = max(step["start"] + step["seconds"] for step in self.steps)
        hits = sum(step["cache"] == "hit" for step in self.steps)
        count = str(len(self.steps) - hits) + (f" + {hits} held" if hits else "")
        return [count, str(sum(step["rows"] for step in self.steps)), _ms(end - start)]


def _together(trace: Sequence[CallFacts]) -> dict[object, _CallRow]:
    made: dict[object, _CallRow] = {}
    for step in trace:
        made.setdefault(_place(step), _CallRow(step)).steps.append(step)
    return made


def _place(call: CallFacts) -> object:
    return (
        call["report"],
        tuple(call["parameters"]),
        call.get("from"),
        call.get("until"),
        call["way"],
        tuple(call["fields"]),
    )


def _summary(explained: CallFacts, trace: Sequence[CallFacts] | None) -> str:
    calls = f"{explained['calls']} upstream calls"
    if explained["depends"]:
        calls += f", from {explained['fewest']} to {explained['most']}: what later ones need is not known yet"
    call = f"{calls}; {explained['rows']} rows, {_ms(explained['seconds'])} ms"
    if trace is not None:
        call += f"\nmade: {sum(step['cache'] != 'hit' for step in trace)}; {sum(step['rows'] for step in trace)} rows"
    return call


def _calls(part: CallFacts) -> str:
    return str(part["calls"]) + (f" + {part['held']} held" if part["held"] else "")


def _value(value: Any) -> str:
    return f"({value['distinct']} of them)" if isinstance(value, dict) else str(value)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}"
