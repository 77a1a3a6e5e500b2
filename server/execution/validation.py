"""Validate documents with the rules of graphql-core, within limits, and hide the schema if introspection is off."""

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

from engine.divide import INCREMENTAL
from server.execution.complexity import INVALID, TOO_COMPLEX
from server.execution.limits import Limits
from server.http.request_error import Errors, error

LONGEST_MESSAGE = 500

_SUGGESTION = re.compile(r" Did you mean [^?]*\?")
# The messages about the directives of a schema without incremental delivery.
_OFF = frozenset(f"Unknown directive '@{directive.name}'." for directive in INCREMENTAL)
_OURS = (MaybeNullValidationRule, OneOfInputValidationRule)  # as Strawberry adds them


class NoServiceRule(ValidationRule):
    """Refuse `_service`, which gives a federation gateway the whole schema."""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if node.name.value == "_service":
            self.report_error(GraphQLError("Introspection is off here, and _service with it.", node))


def validate(schema: GraphQLSchema, tree: DocumentNode, limits: Limits) -> Errors:
    """Return the errors of a document, at most `limits.errors`."""
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
        # Each visitor refers to its own methods, and so keeps the tree until the garbage collector runs.
        for visitor in made:
            vars(visitor).clear()
    return [_describe(problem) for problem in problems[: limits.errors]]


@cache
def _rules(limits: Limits) -> tuple[type[ASTValidationRule], ...]:
    class Overlapping(OverlappingFieldsCanBeMergedRule):
        """The rule on overlapping fields, which is quadratic, with a budget of its own instead of a slower one."""

        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = limits.overlaps

    specified = (Overlapping if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules)
    closed = () if limits.introspection else (NoSchemaIntrospectionCustomRule, NoServiceRule)
    return (*specified, *_OURS, *closed)


def without_suggestion(message: str) -> str:
    """Return a message without names that the client did not send."""
    return _SUGGESTION.sub("", message)


def coded(problem: GraphQLError, code: str) -> dict[str, Any]:
    """Return an error for the client, with a code if it has none."""
    formatted: dict[str, Any] = dict(problem.formatted)
    formatted["extensions"] = {"code": code, **(formatted.get("extensions") or {})}
    return formatted


def _describe(problem: GraphQLError) -> dict[str, Any]:
    if isinstance(problem, ValidationAbortedError):
        return error(
            "The document takes too long to validate: its fields overlap too often, or its fragments are nested too "
            "deeply.",
            TOO_COMPLEX,
        )
    shown = coded(problem, INVALID)
    if shown["message"] in _OFF:
        shown["message"] += " The setting INCREMENTAL_DELIVERY turns it on."
    if len(shown["message"]) > LONGEST_MESSAGE:  # an unknown name can be as long as the document
        shown["message"] = shown["message"][:LONGEST_MESSAGE] + "…"
    return shown
