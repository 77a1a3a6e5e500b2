"""Errors in answers: each has a message that says what to do, and a code in `extensions.code`.

| code                     | meaning                                                                  |
|--------------------------|--------------------------------------------------------------------------|
| BAD_USER_INPUT           | an argument is malformed or out of bounds; the message says what is right |
| NOT_FOUND                | there is no such group, user, room or game, or the caller may not see it |
| UPSTREAM_UNAUTHENTICATED | the upstream refused the configured token                                |
| UPSTREAM_CONTRACT        | the upstream did not understand a request that its document allows       |
| UPSTREAM_INCOMPLETE      | the upstream cut the rows short                                          |
| UPSTREAM_ERROR           | the upstream reported a failure of its own                               |
| UPSTREAM_UNAVAILABLE     | the upstream could not be reached, or not in time                        |
| UPSTREAM_TLS             | no secure connection to the upstream could be made; the message says why |
| OVERLOADED               | so much is under way already that this call was not made                 |
| UPSTREAM_MALFORMED       | the upstream answered with something other than its documented JSON      |
| TOO_MANY_CALLS           | the plan needs more upstream calls than the request or the server allows |
| TOO_MANY_ROWS            | the plan reads more upstream rows than the server allows                 |
| QUERY_TOO_COMPLEX        | the document or its variables exceed a limit; the message says which     |
| ANSWER_TOO_LARGE         | the answer has more nodes or bytes than the server allows; ask for less  |
| DEADLINE_EXCEEDED        | the operation was not done in time                                       |
| GRAPHQL_PARSE_FAILED     | the document is not GraphQL                                              |
| GRAPHQL_VALIDATION_FAILED| the document does not fit the schema                                     |
| INTERNAL_SERVER_ERROR    | a fault of this server; its text is in the log only                      |
"""

from collections.abc import Mapping
from typing import Any

import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from upstream.errors import UpstreamError
from upstream.reports.request import BadParameter
from upstream.reports.table import REPORTS, Report

_REPORTS: Mapping[str, Report] = {report.code: report for report in REPORTS}

log = structlog.get_logger("gamehub_graph")


class BadUserInput(GraphQLError):
    """An argument that cannot be used. The message says what is correct."""

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": "BAD_USER_INPUT"})


def shown(error: UpstreamError) -> tuple[str, dict[str, Any]]:
    """Return the message and the extensions of a failed call: system, report, what happened, and the next step."""
    extensions = {
        "code": error.code,
        "report": error.report,
        "column": error.column,
        "correlationId": error.correlation_id,
    }
    what = error.message.rstrip(".")
    if (report := _REPORTS.get(error.report)) is not None:
        what = f"{report.system.value} {what if what.startswith(report.code) else f'{report.code}: {what}'}"
    message = f"{what}. {error.advice}" if error.advice else what
    return message, {name: value for name, value in extensions.items() if value}


def finish(error: GraphQLError, *, quiet: bool = False) -> None:
    """Give an error its code and remove internal details. If `quiet`, do not log the fault."""
    cause: Any = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, UpstreamError):
        error.message, error.extensions = shown(cause)
    elif isinstance(cause, BadParameter):
        error.message = str(cause)
        error.extensions = {"code": "BAD_USER_INPUT"}
    elif "code" in (error.extensions or {}):
        pass
    elif isinstance(error, GraphQLSyntaxError):
        error.extensions = {"code": "GRAPHQL_PARSE_FAILED"}
    elif error.path is None and (cause is None or isinstance(cause, GraphQLError)):
        # An error of the execution has a path. An error without a path concerns the document or a variable.
        variable = not error.nodes or " has invalid value" in error.message
        error.extensions = {"code": "BAD_USER_INPUT" if variable else "GRAPHQL_VALIDATION_FAILED"}
    elif cause is None or isinstance(cause, GraphQLError):
        error.extensions = {"code": "BAD_USER_INPUT"}
    else:
        if not quiet:
            log.error("fault", path=list(error.path or ()), exc_info=cause)
        error.message = "A fault of this server; its log says more."
        error.extensions = {"code": "INTERNAL_SERVER_ERROR"}
