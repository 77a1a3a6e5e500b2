"""Write the reference pages of `docs/reference/` from the program itself: `make docs`.

Each page begins with text that a person wrote. Between its two marks (`<!-- NAME -->` and `<!-- /NAME -->`) stands what
the program says about itself: its settings, types, reports, error codes, saved queries and commands. This module writes
that part. `tests/test_docs.py` fails if a page is out of date.
"""

import datetime
import inspect
import re
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
import typer
from graphql import (
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    StringValueNode,
    TypeDefinitionNode,
    parse,
    print_ast,
)

import sandbox.__main__
from schema import graph
from server.cli.command import app
from server.execution.saved import saved_queries
from server.http.admission import AdmissionCounts
from server.http.connection_counts import ConnectionCounts
from server.metrics.capacity import CapacityFigures
from server.metrics.families import Merge, merge_of
from server.metrics.operations import OperationFigures
from server.metrics.process import ProcessFigures
from server.metrics.requests import RequestCounts
from server.metrics.upstreams import FIGURES, UpstreamFigures
from server.reconcile.schedule import Schedule
from server.settings.markdown import settings_table
from server.sql.config import StatementCounts
from server.subscriptions.metrics import SubscriptionFigures
from server.tables.config import FileCounts
from upstream import errors
from upstream.durations import Durations
from upstream.reports import rows
from upstream.reports.table import REPORTS, Report, System

REFERENCE = Path(__file__).resolve().parent / "reference"


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    titles = list(head)
    body = [titles, ["---"] * len(titles), *(list(line) for line in lines)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in body)


def one_line(text: str | None) -> str:
    """Return a text without its line breaks."""
    return " ".join((text or "").split())


def code(text: str) -> str:
    """Return a text as code, or nothing for an empty text."""
    return f"`{text}`" if text else ""


# The graph


def described(node: Any) -> str:
    """Return the description of a type, a field, an argument or a value."""
    description: StringValueNode | None = node.description
    return one_line(description.value if description else "")


def argument(node: InputValueDefinitionNode) -> str:
    """Return an argument with its type and its default."""
    default = f" = {print_ast(node.default_value)}" if node.default_value else ""
    return code(f"{node.name.value}: {print_ast(node.type)}{default}")


def field(node: FieldDefinitionNode) -> list[str]:
    """Return the line of a field: its name, its arguments, its type and its description."""
    arguments = "<br>".join(argument(each) for each in node.arguments or ())
    return [code(node.name.value), arguments, code(print_ast(node.type)), described(node)]


def graph_type(node: TypeDefinitionNode) -> str:
    """Return the section of one type."""
    description = described(node)
    parts = [f"### {node.name.value}\n", f"{description}\n"]
    if isinstance(node, ObjectTypeDefinitionNode):
        shown = [each for each in node.fields or () if not each.name.value.startswith("_")]
        parts.append(table(["field", "arguments", "type", "meaning"], map(field, shown)))
    elif isinstance(node, InputObjectTypeDefinitionNode):
        parts.append(table(["field", "meaning"], ([argument(each), described(each)] for each in node.fields or ())))
    elif isinstance(node, EnumTypeDefinitionNode):
        lines = ([code(each.name.value), described(each)] for each in node.values or ())
        parts.append(table(["value", "meaning"], lines))
    return "\n".join(part for part in parts if part)


def graph_page() -> str:
    """Return the types of the graph, without the connections of lists and what only federation gateways need."""
    kinds: list[tuple[str, type[TypeDefinitionNode]]] = [
        ("Objects", ObjectTypeDefinitionNode),
        ("Inputs", InputObjectTypeDefinitionNode),
        ("Enums", EnumTypeDefinitionNode),
        ("Scalars", ScalarTypeDefinitionNode),
    ]
    definitions = [
        node
        for node in parse(graph.sdl()).definitions
        if isinstance(node, TypeDefinitionNode)
        and not node.name.value.startswith("_")
        and not node.name.value.endswith(("Connection", "Edge"))
    ]
    # The entry points come first, then the types by name.
    definitions.sort(key=lambda node: (node.name.value != "Query", node.name.value))
    parts = []
    for title, kind in kinds:
        parts += [f"## {title}", *(graph_type(node) for node in definitions if isinstance(node, kind))]
    return "\n\n".join(part.strip() for part in parts)


# The reports


def nested(hint: Any) -> Iterator[type[rows.Row]]:
    """Yield the kinds of objects that a column holds."""
    if inspect.isclass(hint) and get_origin(hint) is None and issubclass(hint, rows.Row):
        yield hint
    for each in get_args(hint):
        yield from nested(each)


def wire_type(hint: Any) -> str:
    """Return what a column holds, in words."""
    if get_origin(hint) is Annotated:
        kind = next((note.value for note in hint.__metadata__ if isinstance(note, Enum)), None)
        return str(kind) if kind else wire_type(hint.__origin__)
    if get_origin(hint) in (Union, types.UnionType):
        parts = {wire_type(each): None for each in get_args(hint) if each is not type(None)}
        return " or ".join(parts)
    if get_origin(hint) is list:
        return f"list of {wire_type(get_args(hint)[0])}".replace("whole number", "whole numbers")
    if get_origin(hint) is dict:
        return f"object of {wire_type(get_args(hint)[1])} by id"
    words = {int: "whole number", str: "text", datetime.date: "day", bool: "`false`"}
    return words.get(hint) or f"[{hint.__name__}](#{hint.__name__.lower()})"


def columns(row: type[rows.Row]) -> str:
    """Return the table of the columns of a row, or of an object inside a row."""
    hints = get_type_hints(row, include_extras=True)
    lines = (
        [code(each.encode_name), wire_type(hints[each.name]), "yes" if each.required else ""]
        for each in msgspec.structs.fields(row)
    )
    return table(["column", "holds", "required"], lines)


def facts(report: Report) -> str:
    """Return what the table of reports says about one report."""
    frame = {None: "none", "start": "`start` and `end`"}.get(report.frame, f"`{report.frame}`")
    lines = [
        ["system", report.system.value],
        ["address", f"`{report.action}`, `report_type={report.report_type}`" if report.action else "POST"],
        ["period", f"{frame}; the rows are what is so now" if report.current else frame],
        ["all rows in one answer", "`per_page=-1` is sent" if report.unpaged else ""],
        ["answer", "one entity" if report.single else "a list of rows"],
        ["column that identifies a row", code(report.id or "")],
        ["parameter that a row repeats", ", ".join(f"`{a}` in `{b}`" for a, b in report.echoes.items())],
    ]
    if not report.action:
        lines[1][1] = f"POST, method `{report.report_type}`"
    return table(["fact", "value"], (line for line in lines if line[1]))


def parameters(report: Report) -> str:
    """Return the parameters of a report, without its period."""
    lines = ([code(name), "yes" if each.required else "", each.check.value] for name, each in report.parameters.items())
    return table(["parameter", "required", "value"], lines)


def reports_page() -> str:
    """Return each report with its parameters and columns, then the objects that their rows hold."""
    lines = ([f"[{each.code}](#{each.code.lower()})", each.title, code(each.report_type)] for each in REPORTS)
    parts = [table(["report", "title in the vendor's document", "name"], lines)]
    objects: dict[str, type[rows.Row]] = {}
    for report in REPORTS:
        parts += [f"## {report.code}", f"{report.title}.", facts(report)]
        parts += [parameters(report)] if report.parameters else []
        parts += [columns(report.row)]
        waiting = [report.row]
        while waiting:
            for hint in get_type_hints(waiting.pop(), include_extras=True).values():
                for each in nested(hint):
                    if each.__name__ not in objects:
                        objects[each.__name__] = each
                        waiting.append(each)
    parts.append("## Objects inside rows")
    for name, each in objects.items():
        parts += [f"### {name}", one_line(inspect.getdoc(each)), columns(each)]
    return "\n\n".join(part.strip() for part in parts)


# Errors


def errors_page() -> str:
    """Return what each code and each status of an upstream becomes."""
    special = {"10002": "an empty list; null for a single entity"}
    numbers = sorted({*errors.CODES, *special})
    by_number = ([code(each), special.get(each) or code(errors.CODES[each].code)] for each in numbers)
    by_status = ([code(str(status)), code(kind.code)] for status, kind in sorted(errors.STATUSES.items()))
    return "\n".join(
        [
            "### By the code of the answer\n",
            table(["GameHub's code", "here"], [*by_number, ["any other", code(errors.UpstreamError.code)]]),
            "### By the HTTP status, if the answer has no code\n",
            table(["status", "here"], [*by_status, ["any other of 400 and above", code(errors.UpstreamError.code)]]),
        ]
    )


# Saved queries


def saved_queries_page() -> str:
    """Return each saved query with its variables and its text."""
    found = saved_queries()
    lines = (
        [f"[{each.name}](#{each.name.lower()})", each.comment, "yes" if "@rows" in each.text else ""] for each in found
    )
    parts = [table(["query", "shows", "table"], lines)]
    for each in found:
        text = "\n".join(line for line in each.text.splitlines() if not line.startswith("#")).strip()
        parts += [f"## {each.name}", each.comment, f"```graphql\n{text}\n```"]
    return "\n\n".join(part.strip() for part in parts)


# The metrics


def collectors() -> list[Any]:
    """Return the collectors of a server with everything that has figures, before its first request."""
    nothing = SimpleNamespace(outcomes=Counter(), counted=Counter(), store=None)
    clock = SimpleNamespace(ahead=0.0)
    redis = SimpleNamespace(down=False, commands=Durations(), failures=0, clock=clock)
    idle = {system.value: dict.fromkeys(FIGURES, 0) | {"irregular": {}, "breakers": []} for system in System}
    compared = SimpleNamespace(differences=Counter(), compared=Counter(), failures=[], days=0)
    schedule = Schedule(lambda add: None, ZoneInfo("UTC"), 24, 2)  # type: ignore[arg-type,return-value]
    schedule.last = SimpleNamespace(  # type: ignore[assignment]
        result=compared, started=datetime.datetime.now(datetime.UTC), seconds=0
    )
    subscriptions: Any = SimpleNamespace(count=0, topics=0)
    journal: Any = SimpleNamespace(recorded=0, dropped=0)
    return [
        RequestCounts(),
        OperationFigures(dict, dict),
        UpstreamFigures(lambda: idle, dict, lambda: nothing, lambda: redis, lambda: journal),  # type: ignore[arg-type,return-value]
        CapacityFigures(AdmissionCounts(), ConnectionCounts(), FileCounts(), StatementCounts(), dict),
        SubscriptionFigures(subscriptions),
        schedule,
        ProcessFigures(lambda: True),
    ]


def metrics_page() -> str:
    """Return each metric with its type, its labels and its meaning."""
    lines = []
    for collector in collectors():
        for metric in collector.collect():
            labels = [*getattr(metric, "_labelnames", ())]
            name = metric.name + ("_total" if metric.type == "counter" else "")
            kind = metric.type if merge_of(metric) is Merge.SUM else f"{metric.type} ({merge_of(metric)})"
            lines.append([code(name), kind, ", ".join(map(code, labels)), one_line(metric.documentation)])
    return table(["metric", "type", "labels", "meaning"], lines)


# The command line


def option(parameter: Any) -> list[str]:
    """Return the line of an argument or an option: its names, its help and its default."""
    is_argument = parameter.param_type_name == "argument"
    names = parameter.name.upper() if is_argument else ", ".join(parameter.opts)
    word = parameter.metavar or parameter.opts[0].lstrip("-").replace("-", "_").upper()
    value = "" if is_argument or parameter.is_flag else f" {word}"
    default = parameter.default
    shown = "" if default in (None, "", False, ()) or callable(default) else f"`{default}`"
    if parameter.required:
        shown = "required"
    return [code(f"{names}{value}"), one_line(parameter.help), shown]


def command_section(path: str, command: Any) -> Iterator[str]:
    """Yield the section of a command, and those of the commands below it."""
    yield f"## {path}"
    # A help text is written for a terminal: its paragraphs have line breaks of their own.
    yield "\n\n".join(one_line(part) for part in inspect.cleandoc(command.help or "").split("\n\n"))
    lines = [option(each) for each in command.params if not getattr(each, "hidden", False)]
    if lines:
        yield table(["argument or option", "meaning", "default"], lines)
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from command_section(f"{path} {name}", below)


def command_line_page() -> str:
    """Return each command with its options; those of the sandbox come from the sandbox's own command."""
    commands: dict[str, Any] = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    own = typer.Typer(add_completion=False)
    own.command()(sandbox.__main__.main)
    commands["sandbox"] = typer.main.get_command(own)
    parts: list[str] = []
    for name, command in sorted(commands.items()):
        parts += command_section(f"gamehub-graph {name}", command)
    return "\n\n".join(part.strip() for part in parts)


PAGES: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "graph": graph_page,
    "reports": reports_page,
    "errors": errors_page,
    "saved-queries": saved_queries_page,
    "metrics": metrics_page,
    "command-line": command_line_page,
}


def written(name: str, page: str) -> str:
    """Return a page with the part between its marks written anew."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, found = pattern.subn(lambda marks: f"{marks[1]}\n{PAGES[name]().strip()}\n\n{marks[2]}", page)
    if found != 1:
        raise ValueError(f"docs/reference/{name}.md must have the marks <!-- {name} --> and <!-- /{name} --> once")
    return text


def main() -> None:
    """Write all pages, and say which of them changed."""
    for name in PAGES:
        path = REFERENCE / f"{name}.md"
        before = path.read_text("utf-8")
        after = written(name, before)
        if after != before:
            path.write_text(after, "utf-8")
            sys.stdout.write(f"wrote docs/reference/{name}.md\n")


if __name__ == "__main__":
    main()
