"""Whether a document fits the schema: graphql-core's rules, within bounds, and what a closed graph does not tell."""

import re
from functools import cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OverlappingFieldsCanBeMergedRule,
    ValidationRule,
    specified_rules,
)
from graphql import validate as validate_all
from graphql.validation import ASTValidationRule, ValidationContext
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from server.execution.complexity import INVALID, TOO_COMPLEX
from server.execution.limits import Limits
from server.http.request_error import Errors, error

LONGEST_MESSAGE = 500

_SUGGESTION = re.compile(r" Did you mean [^?]*\?")
_OURS = (MaybeNullValidationRule, OneOfInputValidationRule)  # as Strawberry adds them


class NoServiceRule(ValidationRule):
    """Refuses `_service`, which tells a federation gateway the whole schema."""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if node.name.value == "_service":
            self.report_error(GraphQLError("Introspection is off here, and _service with it.", node))


def validate(schema: GraphQLSchema, tree: DocumentNode, limits: Limits) -> Errors:
    """What is wrong with a document: up to `limits.errors` errors."""
    made: list[Any] = []

    def noting(rule: type[ASTValidationRule]) -> Any:
        def make(context: Any) -> Any:
            made.append(rule(context))
            return made[-1]

        return make

    try:
        problems = validate_all(
            schema, tree, [*map(noting, _rules(limits))], max_errors=limits.errors,
            hide_suggestions=not limits.introspection,
        )  # fmt: skip
    finally:
        # Each visitor keeps its own methods, and with them the tree, until the garbage collector comes by.
        for visitor in made:
            vars(visitor).clear()
    return [_told(problem) for problem in problems[: limits.errors]]


@cache
def _rules(limits: Limits) -> tuple[type[ASTValidationRule], ...]:
    class Overlapping(OverlappingFieldsCanBeMergedRule):
        """The one rule that is quadratic, with a budget of its own instead of graphql-core's, which takes a second."""

        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = limits.overlaps

    specified = (Overlapping if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules)
    closed = () if limits.introspection else (NoSchemaIntrospectionCustomRule, NoServiceRule)
    return (*specified, *_OURS, *closed)


def without_suggestion(message: str) -> str:
    """A message that names nothing that the client did not name itself."""
    return _SUGGESTION.sub("", message)


def coded(problem: GraphQLError, code: str) -> dict[str, Any]:
    """An error as the client reads it, with a code where it has none."""
    formatted: dict[str, Any] = dict(problem.formatted)
    formatted["extensions"] = {"code": code, **(formatted.get("extensions") or {})}
    return formatted


def _told(problem: GraphQLError) -> dict[str, Any]:
    if isinstance(problem, ValidationAbortedError):
        return error(
            "The document takes too long to validate: its fields overlap too often, or its fragments are nested too "
            "deeply.",
            TOO_COMPLEX,
        )
    told = coded(problem, INVALID)
    if len(told["message"]) > LONGEST_MESSAGE:  # an unknown name may be as long as the document
        told["message"] = told["message"][:LONGEST_MESSAGE] + "…"
    return told
