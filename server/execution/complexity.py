"""Measure how complex a document and its variables are, and refuse too complex ones.

The document is measured before it is validated, by one walk over its tree. Each fragment is measured once, however
often it is spread, and its figures are added by arithmetic. So the refusal of a document that would grow to 2^30 fields
costs only as much as its text is long.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isinf, isnan
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
)

from server.execution.limits import Limits
from server.http.request_error import RequestError

TOO_COMPLEX = "QUERY_TOO_COMPLEX"
INVALID = "GRAPHQL_VALIDATION_FAILED"
COUNTED = 1_000_000_000  # larger figures are reported as "more than"

# Each match is at most one token: a text that is refused for its matches has at least as many tokens.
_TOKEN = re.compile(
    r'(?:\s|,|\ufeff|#[^\r\n]*)*+(?:"""(?:[^"\\]|\\"""|\\|"(?!""))*+"""|"(?:[^"\\\r\n]|\\.)*+"|\.{3}|[\w.+-]+|[^\s,])'
)
_INTROSPECTION = ("__schema", "__type")


class TooComplex(Exception):
    """A document exceeds a limit. It has one line with the figure and the limit, and the error code."""

    def __init__(self, message: str, code: str = TOO_COMPLEX) -> None:
        super().__init__(message)
        self.code = code


# The figures of an operation with its fragments expanded: the name in Limits, and the name for people.
_COUNTS = {
    "root_fields": "fields at its root",
    "fields": "fields",
    "aliases": "aliases",
    "directives": "directives",
    "spreads": "fragment spreads",
    "depth": "levels of fields",
    "introspection_depth": "levels of introspection",
}


# Those that a traced answer shows, with their names there.
_SHOWN = {"depth": "depth", "fields": "fields", "root_fields": "rootFields", "aliases": "aliases"}
# Those that are added up: over the operations of a batch and, but for the fields at the root, over fragments.
_ADDED = ("root_fields", "fields", "aliases", "directives", "spreads")


def check_text(text: str, limits: Limits) -> None:
    """Raise TooComplex for a text that is too long or has too many tokens, before the much slower parser runs."""
    if len(text) > limits.characters:
        raise TooComplex(f"The document is longer than {limits.characters} characters.")
    position = 0
    # A search would begin anew at each character after the last token.
    for _ in range(limits.tokens):
        found = _TOKEN.match(text, position)
        if found is None:
            return
        position = found.end()
    if _TOKEN.match(text, position) is not None:
        raise TooComplex(f"The document has more than {limits.tokens} tokens.")


def check_document(document: DocumentNode, limits: Limits) -> None:
    """Raise TooComplex for the first limit that an operation of the document exceeds."""
    if len(document.definitions) > limits.definitions:
        raise _beyond("The document", len(document.definitions), "operations and fragments", limits.definitions)
    fragments = _fragments(document, limits)
    spread = {name for fragment in fragments.values() for name, _, _ in fragment.spread}
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        variables = node.variable_definitions or ()
        if len(variables) > limits.variables:
            raise _beyond("The operation", len(variables), "variables", limits.variables)
        for variable in variables:
            _check_directives(variable.directives or (), limits)
            if variable.default_value is not None:
                _check_values((variable.default_value,), limits)
        operation = _expanded(node, fragments, limits)
        spread.update(name for name, _, _ in operation.spread)
        for count, what in _COUNTS.items():
            if getattr(operation, count) > getattr(limits, count):
                raise _beyond("The operation", getattr(operation, count), what, getattr(limits, count))
    # Validation would report each of them, after a walk that takes ten times as long as all of the above.
    unused = [name for name in fragments if name not in spread]
    if len(unused) > limits.errors:
        raise TooComplex(f"The document has {len(unused)} fragments that are never used.", INVALID)
    named = sum(isinstance(node, FragmentDefinitionNode) for node in document.definitions)
    if named - len(fragments) > limits.errors:
        raise TooComplex(f"The document has {named} fragments of {len(fragments)} names.", INVALID)


def figures(document: DocumentNode, node: OperationDefinitionNode, limits: Limits) -> dict[str, dict[str, int]]:
    """Return what is counted of an operation, each figure with its limit, as `extensions.complexity` shows it."""
    found = _expanded(node, _fragments(document, limits), limits)
    return {name: {"found": getattr(found, count), "most": getattr(limits, count)} for count, name in _SHOWN.items()}


def check_together(operations: Iterable[tuple[DocumentNode, OperationDefinitionNode]], limits: Limits) -> None:
    """Raise TooComplex for the first limit that the operations of a batch exceed together.

    Each operation comes with its document, which is within the limits.
    """
    totals = dict.fromkeys(_ADDED, 0)
    for document, node in operations:
        found = _expanded(node, _fragments(document, limits), limits)
        for count in _ADDED:
            totals[count] += getattr(found, count)
    for count, total in totals.items():
        if total > getattr(limits, count):
            raise _beyond("The batch", total, _COUNTS[count], getattr(limits, count))


def check_variables(given: Iterable[Any], limits: Limits) -> None:
    """Refuse variables (and extensions) that are nested too deeply, are too many, or contain an invalid number."""
    level: list[Any] = list(given)
    count = 0
    for _ in range(limits.nesting + 1):
        inner: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is dict or kind is list:
                count += len(value)
                if count > limits.values:
                    raise RequestError(
                        422, TOO_COMPLEX, f"The variables hold more than {limits.values} values: ask in several parts."
                    )
                inner += value.values() if kind is dict else value
            elif kind is float and (isinf(value) or isnan(value)):
                raise RequestError(422, "BAD_REQUEST", "The variables hold a number that is out of range.")
        if not inner:
            return
        level = inner
    raise RequestError(422, TOO_COMPLEX, f"The variables are nested more than {limits.nesting} levels deep.")


@dataclass(slots=True)
class _Measure:
    """The figures of an operation or a fragment: first alone, then with its fragments expanded."""

    depth: int = 0
    introspection_depth: int = 0
    fields: int = 0
    root_fields: int = 0
    aliases: int = 0
    directives: int = 0
    spreads: int = 0
    # For each spread: the name of the fragment, the depth, and whether it is within introspection.
    spread: list[tuple[str, int, bool]] = field(default_factory=list)


def _fragments(document: DocumentNode, limits: Limits) -> dict[str, _Measure]:
    """Return the figures of the fragments of a document, expanded."""
    fragments = {
        node.name.value: _measured(node.selection_set, limits)
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    for name in _innermost_first(fragments):
        _write_out(fragments[name], fragments)
    return fragments


def _expanded(node: OperationDefinitionNode, fragments: dict[str, _Measure], limits: Limits) -> _Measure:
    """Return the figures of an operation with its fragments."""
    found = _measured(node.selection_set, limits)
    _write_out(found, fragments)
    own = node.directives or ()
    _check_directives(own, limits)
    found.directives += len(own)
    return found


def _measured(root: SelectionSetNode, limits: Limits) -> _Measure:
    found = _Measure()
    stack = [(root, 0, False)]
    while stack:
        selections, depth, introspects = stack.pop()
        for node in selections.selections:
            if node.directives:
                _check_directives(node.directives, limits)
                found.directives += len(node.directives)
            if isinstance(node, FragmentSpreadNode):
                found.spreads += 1
                found.spread.append((node.name.value, depth, introspects))
                continue
            below = depth
            inside = introspects
            if isinstance(node, FieldNode):
                below += 1
                found.fields += 1
                found.root_fields += depth == 0
                found.aliases += node.alias is not None
                inside = introspects or node.name.value in _INTROSPECTION
                if inside:
                    found.introspection_depth = max(found.introspection_depth, below)
                else:
                    found.depth = max(found.depth, below)
                if node.arguments:
                    _check_values((argument.value for argument in node.arguments), limits)
            inner = node.selection_set  # type: ignore[attr-defined]
            if inner is not None:
                stack.append((inner, below, inside))
    return found


def _write_out(measure: _Measure, fragments: dict[str, _Measure]) -> None:
    """Add the figures of the spread fragments, which must be expanded already."""
    for name, depth, introspects in measure.spread:
        inner = fragments.get(name)
        if inner is None:
            continue  # validation reports it
        for count in _ADDED[1:]:
            setattr(measure, count, min(getattr(measure, count) + getattr(inner, count), COUNTED))
        if depth == 0:
            measure.root_fields = min(measure.root_fields + inner.root_fields, COUNTED)
        deepest = depth + inner.depth
        if introspects:
            measure.introspection_depth = max(measure.introspection_depth, deepest)
        else:
            measure.depth = max(measure.depth, deepest)
        if inner.introspection_depth:
            measure.introspection_depth = max(measure.introspection_depth, depth + inner.introspection_depth)


def _innermost_first(fragments: dict[str, _Measure]) -> Iterator[str]:
    """Return the fragments, each after those that it spreads. It works without recursion: a chain may be long."""
    done: set[str] = set()
    open_: dict[str, Iterator[tuple[str, int, bool]]] = {}
    for root in fragments:
        path = [] if root in done else [root]
        while path:
            name = path[-1]
            spreads = open_.setdefault(name, iter(fragments[name].spread))
            for inner, _, _ in spreads:
                if inner in open_ and inner not in done:
                    raise TooComplex(f"The fragment {inner[:60]} spreads itself, by way of {name[:60]}.", INVALID)
                if inner in fragments and inner not in done:
                    path.append(inner)
                    break
            else:
                done.add(name)
                path.pop()
                yield name


def _check_directives(directives: Sequence[Any], limits: Limits) -> None:
    if len(directives) > limits.directives_each:
        raise _beyond("One place of the document", len(directives), "directives", limits.directives_each)
    for directive in directives:
        if directive.arguments:
            _check_values((argument.value for argument in directive.arguments), limits)


def _check_values(values: Iterable[ValueNode], limits: Limits) -> None:
    """Limit how deeply lists and objects are nested in an argument."""
    level: list[ValueNode] = list(values)
    for _ in range(limits.nesting + 1):
        inner: list[ValueNode] = []
        for value in level:
            if isinstance(value, ListValueNode):
                inner += value.values
            elif isinstance(value, ObjectValueNode):
                inner += (part.value for part in value.fields)
        if not inner:
            return
        level = inner
    raise TooComplex(f"A value in the document is nested more than {limits.nesting} levels deep.")


def _beyond(what: str, found: int, of: str, most: int) -> TooComplex:
    count = f"more than {COUNTED}" if found >= COUNTED else str(found)
    return TooComplex(f"{what} has {count} {of}; up to {most} are allowed.")
