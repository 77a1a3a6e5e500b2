"""`gamehub-graph sql`: run one SQL statement without a server."""

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.terminal import FAILED, WRONG_USE, say, stop

if TYPE_CHECKING:
    from server.services import Services


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT, or - to read it from stdin.")],
    form: Annotated[str, typer.Option("--format", help="csv, json, ndjson, arrow or parquet.")] = "csv",
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what would be read, and the upstream calls. No rows are read.")
    ] = False,
) -> None:
    """Run one SQL statement without a server, and write its result to stdout.

    It reads the upstreams that are set, or a sandbox if none is. The tables are those of `/sql`: the statement says
    which days are read, and which group, user or room. `SELECT * FROM information_schema.columns` lists them.

    Exit codes: 0 the whole result; 1 the rows could not be read; 2 the statement, an option or a setting is wrong.
    """
    from server import logs
    from server.cli.upstreams import upstreams
    from server.settings.reading import load

    settings = load()
    logs.set_up("error", settings.log_format)
    try:
        from server.sql.answers import SqlAnswers
        from server.sql.results import SQL_FORMATS
        from server.tables.answers import TableAnswers
    except ImportError as error:
        stop(f"SQL needs {error.name}, which is not installed: pip install 'gamehub-graph[sql]'", WRONG_USE)
    from resolvers.caller import EVERYONE
    from server.http.request_error import RequestError
    from server.services import build
    from server.tables.table import Tables

    if form not in SQL_FORMATS:
        stop(f"there is no format {form!r}; there are {', '.join(SQL_FORMATS)}", WRONG_USE)
    text = sys.stdin.read() if statement == "-" else statement

    async def run(services: "Services") -> None:
        schema = services.executor.schema
        async with services.lifespan():
            tables = TableAnswers(services.executor.run, services.tables)
            answers = SqlAnswers(Tables(services.saved, schema), schema, tables, services.sql)
            try:
                question = await answers.question(text, EVERYONE)
                if explain:
                    _print(await answers.explanation(question))
                    return
                result = await answers.result(question)
                writer = SQL_FORMATS[form].open(result.columns, result.schema, sys.stdout.buffer)
                try:
                    async for batch in result.batches:
                        writer.write(batch)
                finally:
                    await result.batches.aclose()
                writer.close()
                sys.stdout.buffer.flush()
            finally:
                await answers.aclose()
                await tables.spool.aclose()

    with upstreams(settings, say) as live:
        try:
            asyncio.run(run(build(live)))
        except RequestError as refusal:
            wrong = refusal.errors[0]["extensions"]["code"].startswith("SQL_")
            stop(str(refusal), WRONG_USE if wrong else FAILED)
        except BrokenPipeError:
            stop("the reader of the result has gone")


def _print(explained: Mapping[str, Any]) -> None:
    """Print what is read of each table, and by which upstream calls."""
    from rich.console import Console

    from server.execution.explain import table

    # Into a pipe the lines are as long as they need be.
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False)
    for one in explained["tables"]:
        keys = "; ".join(f"{name} {', '.join(values)}" for name, values in one["keys"].items())
        days = ", ".join(
            day["from"] if day["from"] == day["to"] else f"{day['from']} to {day['to']}" for day in one["days"]
        )
        console.print(f"{one['table']}: {', '.join(one['columns']) or 'rows only'}")
        for name, text in (("keys", keys), ("days", days), ("filters", " AND ".join(one["filters"]))):
            if text:
                console.print(f"  {name}: {text}")
        if one["plan"]:
            console.print(table(one))
        console.print()
    files = explained["files"]
    console.print(
        f"{files['needed']} files, of which {files['there']} are there; {explained['calls']} upstream calls"
        + (f" for the first {files['foreseen']} files" if files["foreseen"] < files["needed"] else "")
    )
