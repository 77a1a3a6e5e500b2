"""`/reconcile`: the last comparison of the schedule, as a page for people and as JSON for programs.

The page is written here, without a script. It has the style of the page of tables. The page and the JSON need the
permission `admin`, like every path without another permission.
"""

import datetime
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.http.negotiation import wants_page
from server.http.public_address import placed, prefix_of
from server.http.writing import encode
from server.pages.bundle import Bundle
from server.pages.tables import PAGE
from server.reconcile.reconciliation import COMPARISONS
from server.reconcile.schedule import Schedule
from server.reconcile.scheduled_run import MOST_SHOWN, ScheduledRun

PATH = "/reconcile"
FILES = f"{PATH}/page"
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
OFF = "The server compares nothing by itself: RECONCILE_EVERY is not set. The command is gamehub-graph reconcile."

_bundle = Bundle(PAGE, PAGE, CONTENT_SECURITY_POLICY)


def reconcile_routes(schedule: Schedule) -> list[BaseRoute]:
    """Return the routes of the page, its files and its JSON."""

    async def page(request: Request) -> Response:
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        if wants_page(request.headers.get("accept")):
            headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
            return Response(
                placed(written(schedule.shown), prefix_of(request.scope)), media_type="text/html", headers=headers
            )
        return Response(encode(schedule.shown.to_dict()), headers=headers, media_type="application/json; charset=utf-8")

    return [Route(PATH, page), Route(f"{FILES}/{{name}}", _bundle.asset)]


def written(schedule: Schedule) -> str:
    """Write the page."""
    parts = ["<h1>Do the reports agree?</h1>", f'<p class="lead">{escape(_lead(schedule))}</p>']
    if schedule.last is not None:
        parts += _run(schedule.last)
    files = _files()
    return f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <meta name="referrer" content="no-referrer" />
    <title>Do the reports agree?</title>
    <link rel="icon" type="image/svg+xml" href="{FILES}/{files["svg"]}" />
    <link rel="stylesheet" href="{FILES}/{files["css"]}" />
  </head>
  <body>
    <header class="frame">
      <a class="logo" href="/">gamehub<em>-graph</em></a>
      <nav aria-label="Pages">
        <a href="/">Start</a><a href="/explorer">Explorer</a><a href="/tables">Tables</a><a href="/metrics">Metrics</a>
      </nav>
    </header>
    <main>
{"".join(parts)}
    </main>
  </body>
</html>
"""


@cache
def _files() -> dict[str, str]:
    """Return the names of the style sheet and the icon of the page of tables."""
    return {path.suffix.removeprefix("."): path.name for path in PAGE.iterdir() if path.suffix in (".css", ".svg")}


def _lead(schedule: Schedule) -> str:
    if not schedule.hours:
        return OFF
    lead = f"Every {schedule.hours:g} hours, over the last {schedule.days} days that are over."
    if schedule.current is not None:
        return f"{lead} A comparison has been under way since {_time(schedule.current.started)}."
    if schedule.next is not None:
        return f"{lead} The next one begins at {_time(schedule.next)}."
    return lead


def _run(run: ScheduledRun) -> Iterable[str]:
    result = run.result
    total = result.differences.total()
    outcome = f"{total} differences" if total else "no differences"
    days = f"{run.days[0]} to {run.days[-1]}" if len(run.days) > 1 else ", ".join(run.days)
    took = f"Began at {_time(run.started)}, took {run.seconds:.1f} s, compared {result.days} of {len(run.days)} days."
    yield f"<section><h2>{escape(days)}: {outcome}</h2><p>{escape(took)}</p>"
    yield _table(
        ("comparison", "compared", "differ"),
        [(name, str(result.compared[name]), str(result.differences[name])) for name in COMPARISONS],
        numbers=frozenset({1, 2}),
    )
    yield "</section>"
    if result.failures:
        yield f"<section><h2>Not compared</h2>{_lines(result.failures, 'failed')}</section>"
    if run.differences:
        left = total - len(run.differences)
        note = f'<p class="note">{left} more are not shown.</p>' if left else ""
        rows = [
            (str(day), one.compared, one.key, one.column, " | ".join(map(str, one.statements)))
            for day, one in run.differences
        ]
        table = _table(("day", "compared", "of", "column", "what each report says"), rows)
        yield f"<section><h2>Differences</h2>{table}{note}</section>"
    if result.notes:
        yield f"<section><h2>Notes</h2>{_lines(result.notes, 'note')}</section>"


def _table(
    names: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int] = frozenset()
) -> str:  # fmt: skip
    def cell(kind: str, place: int, text: str) -> str:
        style = ' class="number"' if place in numbers else ""
        return f"<{kind}{style}>{escape(text)}</{kind}>"

    head = "".join(cell("th", place, name) for place, name in enumerate(names))
    body = "".join(f"<tr>{''.join(cell('td', place, text) for place, text in enumerate(row))}</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _lines(texts: Sequence[str], style: str) -> str:
    return "".join(f'<p class="{style}">{escape(text)}</p>\n' for text in texts[:MOST_SHOWN])


def _time(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
