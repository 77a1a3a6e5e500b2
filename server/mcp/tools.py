"""The tools: a saved query each, `explain` and `schema-search`. They know no protocol."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from resolvers.caller import Caller
from resolvers.nodes import TOO_LARGE
from server.execution.complexity import check_variables
from server.execution.execution import Executor, Outcome
from server.execution.operation import Operation
from server.execution.persisted.registered import RegisteredDocuments
from server.execution.request_options import RequestOptions
from server.execution.saved import SavedQuery, document_of
from server.http.request_error import Errors, RequestError, error
from server.http.writing import encode
from server.mcp.inputs import variables_schema
from server.mcp.schema_search import MOST_FOUND, SchemaSearch

EXPLAIN, SEARCH = "explain", "schema-search"
# An assistant reads an answer as a whole, so a longer one helps nobody.
MOST_BYTES = 1 << 20
# The calls end at the deadline. The answer follows a little later.
_MARGIN = 1.05
_TRACED = RequestOptions(trace=True)
_EXPLAINED = RequestOptions(explain=True)
# The instructions about all tools, for assistants.
INSTRUCTIONS = (
    "Each tool with a capital letter is a saved query of this graph, and its arguments are the variables of the query. "
    f"Use {SEARCH} to find types and fields, and {EXPLAIN} to see the upstream calls before they are made."
)


class ToolDescription(msgspec.Struct, frozen=True):
    """A tool: its name, what it does, and the JSON Schema of its arguments."""

    name: str
    description: str
    arguments: dict[str, Any]


class ToolAnswer(msgspec.Struct, frozen=True):
    """The answer of a tool. `about` has facts about the answer, such as its upstream calls."""

    content: dict[str, Any]
    failed: bool = False
    about: dict[str, Any] = {}


class UnknownTool(Exception):
    """There is no tool of this name."""


class AssistantTools:
    """The tools of one application. They run operations as `/graphql` does, for the same callers, with its limits."""

    def __init__(self, executor: Executor, saved: Sequence[SavedQuery], registered: RegisteredDocuments) -> None:
        self._executor = executor
        self._saved = {one.name: one for one in saved}
        self._registered = registered
        self._search = SchemaSearch(executor.schema._schema) if executor.limits.introspection else None

    def descriptions(self) -> list[ToolDescription]:
        """Return the tools. The search is there while the schema is public."""
        schema = self._executor.schema
        found = []
        for name, one in self._saved.items():
            document = document_of(one.text, schema)
            assert document.tree is not None
            arguments = variables_schema(schema._schema, document.tree, document.operations[name], one.variables)
            found.append(ToolDescription(name, one.comment or f"The saved query {name}.", arguments))
        text = {"type": "string", "description": "The name of a saved query, or a GraphQL query."}
        variables = {"type": "object", "description": "The variables of the query."}
        found.append(
            ToolDescription(
                EXPLAIN,
                "Return the upstream calls that a query would make, with their rows and seconds, without making them.",
                _object({"query": text, "variables": variables}, "query"),
            )
        )
        if self._search is not None:
            words = {"type": "string", "description": "Some words, such as: transactions of a group."}
            most = {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": 10}
            found.append(
                ToolDescription(
                    SEARCH,
                    "Find types, fields, arguments and values of the GraphQL schema by words in their names and "
                    "descriptions.",
                    _object({"text": words, "first": most}, "text"),
                )
            )
        return found

    async def call(self, name: str, arguments: dict[str, Any], caller: Caller) -> ToolAnswer:
        """Return the answer of a tool for a caller. Raises UnknownTool."""
        if name not in self._saved and name != EXPLAIN and (name != SEARCH or self._search is None):
            raise UnknownTool(name)
        seconds = self._executor.limits.seconds
        try:
            async with asyncio.timeout(seconds * _MARGIN):
                check_variables((arguments,), self._executor.limits)
                answer = await self._answer(name, arguments, caller)
        except RequestError as refusal:
            return _failed(refusal.errors)
        except TimeoutError:
            late = f"The tool was not done after {seconds:g} seconds; ask for less at a time."
            return _failed([error(late, "DEADLINE_EXCEEDED")])
        return answer

    async def _answer(self, name: str, arguments: dict[str, Any], caller: Caller) -> ToolAnswer:
        if name == SEARCH:
            return self._found(arguments)
        if name == EXPLAIN:
            query = _argument(arguments, "query", str)
            variables = _argument(arguments, "variables", dict, {})
            saved = self._saved.get(query)
            operation = Operation(query if saved is None else saved.text, None, variables, caller=caller)
            self._registered.permit(operation, self._executor.documents)
            outcome = await self._executor.run(msgspec.structs.replace(operation, options=_EXPLAINED))
            plan = outcome.extensions.get("explain")
            return _failed(outcome.errors) if plan is None else ToolAnswer({"explain": plan})
        saved = self._saved[name]
        operation = Operation(saved.text, saved.name, arguments, caller=caller)
        planned = await self._executor.run(msgspec.structs.replace(operation, options=_EXPLAINED))
        if "explain" not in planned.extensions:
            return _failed(planned.errors)
        outcome = await self._executor.run(msgspec.structs.replace(operation, options=_TRACED))
        return _content(outcome, planned.extensions["explain"])

    def _found(self, arguments: dict[str, Any]) -> ToolAnswer:
        assert self._search is not None
        most = _argument(arguments, "first", int, 10)
        if not 1 <= most <= MOST_FOUND:
            raise RequestError(400, "BAD_USER_INPUT", f"The argument first must be from 1 to {MOST_FOUND}.")
        return ToolAnswer({"found": self._search.find(_argument(arguments, "text", str), most)})


def _content(outcome: Outcome, plan: dict[str, Any]) -> ToolAnswer:
    """Return the data and the errors of an answer. The plan and the calls stand beside them."""
    content: dict[str, Any] = {"data": outcome.data} if outcome.ran else {}
    if outcome.errors:
        content["errors"] = outcome.errors
    written = encode(content)
    if len(written) > MOST_BYTES:
        message = f"The answer is longer than {MOST_BYTES >> 20} MiB: ask for fewer items, or for a shorter period."
        return _failed([error(message, TOO_LARGE)])
    return ToolAnswer(orjson.loads(written), outcome.data is None, {"explain": plan, **outcome.extensions})


def _failed(errors: Errors) -> ToolAnswer:
    return ToolAnswer({"errors": errors}, failed=True)


def _argument(arguments: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = arguments.get(name, default)
    if type(value) is not kind:
        names = {str: "a text", dict: "an object", int: "a whole number"}
        raise RequestError(400, "BAD_USER_INPUT", f"The argument {name} must be {names[kind]}.")
    return value


def _object(properties: dict[str, Any], required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [required], "additionalProperties": False}
