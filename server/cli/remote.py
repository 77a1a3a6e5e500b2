"""Ask a running server, as the commands with `--server` do. The API key comes from the environment."""

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.terminal import FAILED, stop

if TYPE_CHECKING:
    from server.execution.operation import Operation

KEY = "GAMEHUB_GRAPH_KEY"
TIMEOUT = 120.0

Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help=f"Ask the server at this address instead: http://127.0.0.1:8000. {KEY} is the API key, if it wants one.",
        show_default=False,
    ),
]


def ask(server: str, operation: "Operation", *, explain: bool = False, trace: bool = False) -> dict[str, Any]:
    """Return the answer of a server. A server that does not answer with GraphQL ends the command."""
    import httpx

    from server.execution import request_options

    headers = {"Accept": "application/graphql-response+json, application/json;q=0.9"}
    if key := os.environ.get(KEY):
        headers["X-Api-Key"] = key
    headers |= {request_options.EXPLAIN: "1"} if explain else {}
    headers |= {request_options.TRACE: "1"} if trace else {}
    body = {"query": operation.text, "operationName": operation.name, "variables": dict(operation.variables or {})}
    try:
        answer = httpx.post(f"{server.rstrip('/')}/graphql", json=body, headers=headers, timeout=TIMEOUT)
        found: Any = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        stop(f"{server} does not answer: {error}", FAILED)
    except json.JSONDecodeError:
        stop(f"{server} answers {answer.status_code}, and not as a GraphQL server: is the address right?", FAILED)
    if not isinstance(found, dict) or not {"data", "errors"} & found.keys():
        stop(f"{server} answers {answer.status_code}, and not as a GraphQL server: is the address right?", FAILED)
    return found
