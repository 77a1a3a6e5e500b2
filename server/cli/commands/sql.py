"""`gamehub-graph sql`: run one SQL statement without a server."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import FAILED, WRONG_USE, say, stop

if TYPE_CHECKING:
    from server.services import Services


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT, or - to read it from stdin.")],
    form: Annotated[str, typer.Option("--format", help="csv, json, ndjson, arrow or parquet.")] = "csv",
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
                result = await answers.result(await answers.question(text, EVERYONE))
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
