"""The trace that federation gateways ask for (`ftv1`): the fields of an operation, with times and errors.

The engine answers whole levels of objects at once, so a list has one node for each field of its items, whatever its
length. A field has the times of the upstream calls that were made for it. A field that needed no call has no times.
"""

import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)
from strawberry.extensions.tracing import apollo_federation as messages

from resolvers.trace import Step

_NANOSECONDS = 1_000_000_000


class _Moment:
    """A moment as a message of protobuf. Strawberry's own needs a package for this."""

    def __init__(self, nanoseconds: int) -> None:
        self.nanoseconds = nanoseconds

    def SerializeToString(self) -> bytes:  # the name in protobuf
        """Return the message: the seconds, and the nanoseconds of the last one."""
        parts = divmod(self.nanoseconds, _NANOSECONDS)
        return b"".join(bytes([8 * field]) + messages._encode_varint(part) for field, part in enumerate(parts, 1))


@dataclass(frozen=True, slots=True)
class FederationTrace:
    """The trace of one execution, which starts when the object is made."""

    schema: GraphQLSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    began: int
    clock: int

    @classmethod
    def start(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
    ) -> "FederationTrace":
        """Return the trace of an execution that starts now."""
        return cls(schema, document, operation, variables, time.time_ns(), time.perf_counter_ns())

    def finish(self, steps: Sequence[Step], errors: Iterable[Mapping[str, Any]]) -> str:
        """Return the text of `extensions.ftv1`."""
        trace, root = messages._SimpleTrace(), messages._SimpleNode()
        trace.duration_ns = time.perf_counter_ns() - self.clock
        trace.start_time, trace.end_time = _Moment(self.began), _Moment(self.began + trace.duration_ns)
        trace.root = root
        kind = self.schema.get_root_type(self.operation.operation)
        places: dict[tuple[str, ...], Any] = {(): root}
        if kind is not None:
            self._fill(places, (), kind, self.operation.selection_set, _times(steps))
        for error in errors:
            path = tuple(each for each in error.get("path") or () if isinstance(each, str))
            while path not in places:
                path = path[:-1]
            places[path].errors.append(_error(error))
        return b64encode(trace.SerializeToString()).decode()

    def _fill(
        self,
        places: dict[tuple[str, ...], Any],
        path: tuple[str, ...],
        kind: GraphQLNamedType,
        selected: SelectionSetNode,
        times: Mapping[str, tuple[float, float]],
    ) -> None:
        """Add the nodes of the fields of a selection to the node of its parent."""
        for node in selected.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                self._add(places, path, kind, node, times)
                continue
            fragment = self._fragment(node.name.value) if isinstance(node, FragmentSpreadNode) else node
            assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
            condition = fragment.type_condition
            on = self.schema.type_map[condition.name.value] if condition is not None else kind
            self._fill(places, path, on, fragment.selection_set, times)

    def _add(
        self,
        places: dict[tuple[str, ...], Any],
        path: tuple[str, ...],
        kind: Any,
        node: FieldNode,
        times: Mapping[str, tuple[float, float]],
    ) -> None:
        name = node.name.value
        definition = self.schema.get_field(kind, name)
        if definition is None:
            return
        key = node.alias.value if node.alias is not None else name
        target = get_named_type(definition.type)
        below = (*path, key)
        if below not in places:
            added = places[below] = messages._SimpleNode()
            added.response_name, added.type, added.parent_type = key, str(definition.type), kind.name
            # An entity that is looked up by its id is noted by its type.
            known = times.get(f"{kind.name}.{name}") or (times.get(target.name) if node.selection_set else None)
            if known is not None:
                added.start_time, added.end_time = (int(seconds * _NANOSECONDS) for seconds in known)
            places[path].children.append(added)
        if node.selection_set is not None:
            self._fill(places, below, target, node.selection_set, times)

    def _fragment(self, name: str) -> FragmentDefinitionNode:
        return next(
            node
            for node in self.document.definitions
            if isinstance(node, FragmentDefinitionNode) and node.name.value == name
        )

    def _is_included(self, node: Any) -> bool:
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                value = directive.arguments[0].value
                truth = self.variables.get(value.name.value) if isinstance(value, VariableNode) else value.value
                if bool(truth) is (directive.name.value == "skip"):
                    return False
        return True


def _times(steps: Sequence[Step]) -> dict[str, tuple[float, float]]:
    """Return when the calls for each field started and ended."""
    found: dict[str, tuple[float, float]] = {}
    for step in steps:
        for field in step.fields:
            start, end = found.get(field, (step.started, 0.0))
            found[field] = min(start, step.started), max(end, step.started + step.seconds)
    return found


def _error(error: Mapping[str, Any]) -> Any:
    places = error.get("locations") or [{"line": 0, "column": 0}]
    text = orjson.dumps(error, default=str).decode()
    return messages._SimpleError(error["message"], places[0]["line"], places[0]["column"], text)
