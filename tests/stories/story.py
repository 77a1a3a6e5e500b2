"""A story: one readable file with a query, the exact upstream calls it takes, and its exact answer (see README.md)."""

import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import msgspec

from resolvers.caller import EVERYONE, Caller
from resolvers.prices import LATENCY, PER_ROW, Prices
from resolvers.rules.join import Join, MovementJoin
from tests.graph import Graph, GraphAnswer
from tests.stand import Sandbox
from upstream.call import Answer, Call
from upstream.reports.table import REPORTS

FOLDER = Path(__file__).parent
SETTINGS = ("groups", "movement_join", "user_code_from", "zone", "lookback_days", "fault")
CODES = {report.report_type: report.code for report in REPORTS}
TYPES = {report.code: report.report_type for report in REPORTS}
ORDER = [report.code for report in REPORTS]
# Parameters that every call of a kind sends are shown only where they differ.
LEFT_OUT = {"per_page": "-1", "agent_code": "sandbox-agent", "page": 0, "perPage": 10_000}
WIDTH = 100
SHORT = 48


@dataclass
class Step:
    """One request:

    its query, the upstream calls that it makes, and the answer. An empty `query` repeats the last one.
    """

    heading: str = "GraphAnswer"
    prose: str = ""
    query: str = ""
    variables: dict[str, Any] | None = None
    calls: list[str] = field(default_factory=list)
    answer: Any = None


@dataclass
class Story:
    """A story as its file has it."""

    name: str
    title: str = ""
    prose: str = ""
    given: list[tuple[str, str]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def read(cls, name: str) -> Self:
        """Return the story of a file of this folder. Raise `ValueError` if the format is wrong."""
        story = cls(name)
        for heading, text, blocks in _sections((FOLDER / f"{name}.md").read_text()):
            if heading.startswith("# "):
                story.title, story.prose = heading[2:], text
            elif heading == "## Given":
                story.given = [_setting(line) for line in _items(text)]
            elif heading.startswith("## Query"):
                step = Step(heading[3:], text)
                step.query = blocks.pop("graphql", "")
                step.variables = json.loads(blocks.pop("json")) if "json" in blocks else None
                story.steps.append(step)
            elif heading == "## Calls":
                story.steps[-1].calls = [item for item in _items(text) if item != "none"]
            elif heading == "## Answer":
                story.steps[-1].answer = json.loads(blocks.pop("json"))
            else:
                raise ValueError(f"{name}: a story has no section {heading!r}")
            if blocks and heading not in ("## Calls", "## Answer"):
                raise ValueError(f"{name}: what is the block of {', '.join(blocks)} in {heading!r}?")
        return story

    def __str__(self) -> str:
        parts = [f"# {self.title}", self.prose]
        if self.given:
            parts += ["## Given", "\n".join(f"- {name}: {value}" for name, value in self.given)]
        for step in self.steps:
            parts += [f"## {step.heading}", step.prose]
            if step.query:
                parts.append(f"```graphql\n{step.query}\n```")
            if step.variables is not None:
                parts.append(f"```json\n{tell(step.variables)}\n```")
            parts += ["## Calls", "\n".join(f"- {line}" for line in step.calls or ["none"])]
            if step.answer is not None:
                parts += ["## Answer", f"```json\n{tell(step.answer)}\n```"]
        return "\n\n".join(part for part in parts if part) + "\n"

    async def play(self, sandbox: Sandbox) -> Self:
        """Run the story and return what really happens. The steps share what the server learns between operations."""
        settings = dict(self.given)
        join = Join(MovementJoin(settings.get("movement_join", "verify")))
        graph = Graph(
            sandbox,
            zone=ZoneInfo(settings.get("zone", "UTC")),
            user_code_from=settings.get("user_code_from", "username"),
            lookback_days=int(settings.get("lookback_days", 31)),
            prices=Prices(),
            join=join,
            caller=Caller("story", frozenset(map(int, settings["groups"].split())))
            if "groups" in settings
            else EVERYONE,
        )
        for name, value in self.given:
            if name == "fault":
                _inject(sandbox, value)
        steps: list[Step] = []
        query, variables, answer = "", dict[str, Any](), None
        async with graph:
            graph.upstream = Steady(graph.upstream)  # type: ignore[assignment]
            for step in self.steps:
                query = step.query or query
                variables = variables if step.variables is None else step.variables
                answer_of_step = await graph.ask(query, **variables)
                shown = answered(answer_of_step)
                # A repeated query shows its answer only if the answer is different.
                repeats = not step.query and step.variables is None and shown == answer
                answer = shown
                steps.append(replace(step, calls=called(answer_of_step.calls), answer=None if repeats else shown))
        return replace(self, steps=steps)


class Steady:
    """An upstream whose calls always take as long as the planner first assumes, so that plans depend on rows alone."""

    def __init__(self, upstream: Any) -> None:
        self.upstream = upstream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.upstream, name)

    async def fetch(self, call: Call, *args: Any, **kwargs: Any) -> Answer[Any]:
        """Return the same answer, with the time that it should have taken."""
        answer: Answer[Any] = await self.upstream.fetch(call, *args, **kwargs)
        return msgspec.structs.replace(answer, seconds=LATENCY + PER_ROW * len(answer.rows))


def names() -> list[str]:
    """Return the names of all stories."""
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


def answered(answer_of_step: GraphAnswer) -> dict[str, Any]:
    """Return an answer as a story shows it: without the locations and the random ids of errors."""
    shown: dict[str, Any] = {"data": answer_of_step.data}
    if answer_of_step.errors:
        shown["errors"] = [_error(error) for error in answer_of_step.errors]
        shown["errors"].sort(key=lambda error: [str(part) for part in error.get("path") or ()])
    return shown


def _error(error: dict[str, Any]) -> dict[str, Any]:
    shown = {"message": error["message"]}
    if error.get("path"):
        shown["path"] = error["path"]
    shown |= {name: value for name, value in error.get("extensions", {}).items() if name != "correlationId"}
    return shown


def called(calls: Iterable[dict[str, Any]]) -> list[str]:
    """Return the calls of an operation, one line for all that differ in one parameter only, in the order of the
    reports.
    """
    alike: dict[tuple[str, str, str, str, str], list[str]] = {}
    for call in calls:
        params, period = _period(call["params"])
        shown = [(name, str(value)) for name, value in params.items() if LEFT_OUT.get(name) != value]
        name, value = shown.pop(0) if shown else ("", "")
        rest = " ".join(f"{name}={value}" for name, value in shown)
        status = call["status"]
        # An empty report and an unknown id are answered with 422. Neither is a failure.
        failed = "" if status in (200, 422) else f"→ {status or 'no answer'}"
        alike.setdefault((CODES[call["report"]], name, rest, period, failed), []).append(value)
    lines: list[tuple[int, str]] = []
    for (code, name, rest, period, failed), values in alike.items():
        times = f"×{len(values)}" if len(values) > 1 else ""
        first = f"{name}={_values(values)}" if name else ""
        lines.append((ORDER.index(code), " ".join(filter(None, [code, first, rest, period, failed, times]))))
    return [line for _, line in sorted(lines)]


def _period(params: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the parameters without the time frame, and the time frame as a story shows it."""
    rest = dict(params)
    frame = next((name for name in params if f"{name}_range_from" in params), None)
    if frame is not None:
        rest.pop(frame)
        start, end = rest.pop(f"{frame}_range_from"), rest.pop(f"{frame}_range_to")
        if f"{frame}_range_from_time" in rest:
            start += " " + rest.pop(f"{frame}_range_from_time")
            end += " " + rest.pop(f"{frame}_range_to_time")
    elif "start" in rest:
        start, end = rest.pop("start"), rest.pop("end")
    else:
        return rest, ""
    (day, *_), (last, *time) = start.split(), end.split()
    if day == last:
        return rest, f"{start}/{time[0]}" if time else day
    return rest, f"{start}/{end}"


def _values(values: Sequence[str]) -> str:
    """Return the values of one parameter, such as `2001-2003,2007`. Equal values are shown once; × has their number."""
    unique = sorted(set(values), key=lambda value: (len(value), value) if value.isdigit() else (99, value))
    if len(unique) < len(values) and len(unique) > 1:
        unique = sorted(values)
    runs: list[list[str]] = []
    for value in unique:
        if runs and value.isdigit() and runs[-1][-1].isdigit() and int(value) == int(runs[-1][-1]) + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run) for run in runs]
    return ",".join(parts)


def tell(value: Any, indent: int = 0) -> str:
    """Return JSON for people: what fits on a line stands on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not value or not isinstance(value, dict | list):
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        items = [f"{pad}{json.dumps(name)}: {tell(inner, indent + 2)}" for name, inner in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{' ' * indent}}}"
    items = [tell(inner, indent + 2) for inner in value]
    if all(len(item) <= SHORT for item in items):
        # Many short items fill their lines.
        items = textwrap.wrap(",\0".join(item.replace(" ", "\1") for item in items).replace("\0", " "), WIDTH - indent)
        return "[\n" + "\n".join(f"{pad}{item}" for item in items).replace("\1", " ") + f"\n{' ' * indent}]"
    return "[\n" + ",\n".join(f"{pad}{item}" for item in items) + f"\n{' ' * indent}]"


def _setting(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    if name not in SETTINGS or not value:
        raise ValueError(f"{line!r}: what can be given is {', '.join(SETTINGS)}")
    return name, value


def _inject(sandbox: Sandbox, spec: str) -> None:
    """Put a fault in force: `R9 500`, or `R9 500 ×1` for one call."""
    found = re.fullmatch(r"(?P<code>\w+) (?P<kind>[\w-]+)(?: ×(?P<times>\d+))?", spec)
    if not found:
        raise ValueError(f"{spec!r} is not a fault such as `R9 500 ×1`")
    sandbox.fault(found["kind"], TYPES[found["code"]], int(found["times"]) if found["times"] else None)


def _items(text: str) -> list[str]:
    return [line[2:] for line in text.splitlines() if line.startswith("- ")]


def _sections(text: str) -> Iterable[tuple[str, str, dict[str, str]]]:
    """Return the sections of a file: heading, text outside of blocks, and blocks by their language."""
    for part in _split(text):
        heading, _, rest = part.partition("\n")
        blocks = dict(re.findall(r"^```(\w+)\n(.*?)\n```$", rest, re.MULTILINE | re.DOTALL))
        yield heading, re.sub(r"^```\w+\n.*?\n```$", "", rest, flags=re.MULTILINE | re.DOTALL).strip(), blocks


def _split(text: str) -> list[str]:
    parts: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        if not inside and re.match(r"##? ", line):
            parts.append([])
        if parts:
            parts[-1].append(line)
        elif line.strip():
            raise ValueError("a story begins with its title")
    return ["\n".join(lines) for lines in parts]
