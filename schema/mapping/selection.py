"""The fields that an operation selects below a field: a tree of field names, after `@skip` and `@include`."""

from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry import Info
from strawberry.schema.schema_converter import GraphQLCoreConverter

from engine.bounded_cache import BoundedCache
from engine.direct import converter
from engine.divide import LateFieldNode
from resolvers.session import Session

Resolving = GraphQLResolveInfo[Session]
ABSTRACT = frozenset({"Node", "_Entity"})


class Selection(dict[str, "Selection"]):
    """Selected field names, each with the selection below it. Several aliases of a field are merged under its name.

    `late` are the names that are selected only later than their objects: an answer with `@defer` does not wait for
    them.
    """

    late: frozenset[str] = frozenset()

    @cached_property
    def first(self) -> "Selection":
        """Return what is selected together with the objects."""
        return Selection({name: below for name, below in self.items() if name not in self.late}) if self.late else self

    @cached_property
    def memo(self) -> dict[Hashable, Any]:
        """Return the memo of facts about this selection that do not depend on the caller."""
        return {}

    def below(self, *paths: str) -> "Selection":
        """Return the merged selection at the dotted paths."""
        merged = Selection()
        for path in paths:
            here: Selection | None = self
            late = False
            for name in path.split("."):
                late = late or (here is not None and name in here.late)
                here = here.get(name) if here is not None else None
            if here is not None:
                _merge(merged, here, late)
        return merged


def select(info: Info[Session, Any], *paths: str, on: str = "") -> Selection:
    """Return the selection below the current field, or below dotted paths from there.

    If the field's type is abstract, `on` names the object type, so that the fragments of other types are left out.
    """
    raw: Resolving = info._raw_info
    key = (on, paths, *map(id, raw.field_nodes))
    memo = _memo(raw)
    selection: Selection | None = memo.get(key)
    if selection is None:
        selection = Selection()
        for node in raw.field_nodes:
            _collect(raw, node.selection_set, on, selection)
        if paths:
            selection = selection.below(*paths)
        memo[key] = selection
    return selection


def nodes_of(info: Info[Session, Any], name: str) -> list[FieldNode]:
    """Return the nodes of a field that is selected below the current field, under any alias."""
    raw: Resolving = info._raw_info
    key = (name, *map(id, raw.field_nodes))
    memo = _memo(raw)
    found: list[FieldNode] | None = memo.get(key)
    if found is None:
        found = memo[key] = [each for node in raw.field_nodes for each in _nodes(raw, node.selection_set, name)]
    return found


def _nodes(info: Resolving, selection_set: SelectionSetNode | None, name: str) -> Iterator[FieldNode]:
    for node in selection_set.selections if selection_set else ():
        if not _included(info, node):
            continue
        if isinstance(node, FieldNode):
            if node.name.value == name:
                yield node
            continue
        fragment = info.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
        assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
        yield from _nodes(info, fragment.selection_set, name)


def arguments(info: Info[Session, Any], kind: str, node: FieldNode) -> dict[str, Any]:
    """Return the arguments of a field of a type, as its resolver takes them. Raise the error in them."""
    raw: Resolving = info._raw_info
    definition = raw.schema.get_type(kind).fields[node.name.value]  # type: ignore[union-attr]
    variables: Any = raw.variable_values
    if not isinstance(variables, VariableValues):
        variables = VariableValues({}, variables)
    given = get_argument_values(definition, node, variables)
    field = definition.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    return converter(info.schema, field)(given, info)


def _memo(info: Resolving) -> dict[Hashable, Any]:
    """Return the memo of selections. The session keeps it while it runs the operation."""
    session, operation = info.context, info.operation
    if session.selections[0] is not operation:
        session.selections = operation, _shared_memo(info)
    return session.selections[1]


def _shared_memo(info: Resolving) -> dict[Hashable, Any]:
    """Return the memo that executions of the same operation share, unless directives change what they select."""
    operation = info.operation
    memo = _MEMOS.get(id(operation))
    if memo is None or memo[0] is not operation:
        alike = not any(map(_directives, (operation, *info.fragments.values())))
        # The node is stored with its selections, so that no other node can get its id.
        memo = operation, {} if alike else None
        _MEMOS.keep(id(operation), memo, len(operation.loc.source.body) if operation.loc else 0)
    return info.context.memo if memo[1] is None else memo[1]


_MEMOS: BoundedCache[int, tuple[OperationDefinitionNode, dict[Hashable, Any] | None]] = BoundedCache()


def _directives(node: Any) -> bool:
    """Return whether a field or a fragment below a node has a directive."""
    for selected in node.selection_set.selections if node.selection_set else ():
        if selected.directives or (not isinstance(selected, FragmentSpreadNode) and _directives(selected)):
            return True
    return False


def _collect(info: Resolving, selection_set: SelectionSetNode | None, on: str, into: Selection) -> None:
    for node in selection_set.selections if selection_set else ():
        if not _included(info, node):
            continue
        if isinstance(node, FieldNode):
            name = node.name.value
            _note_late(into, name, isinstance(node, LateFieldNode))
            _collect(info, node.selection_set, "", into.setdefault(name, Selection()))
            continue
        fragment = info.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
        assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
        condition = fragment.type_condition.name.value if fragment.type_condition else ""
        if not on or not condition or condition == on or condition in ABSTRACT:
            _collect(info, fragment.selection_set, on, into)


def _included(info: Resolving, node: Any) -> bool:
    if not node.directives:
        return True
    # Strawberry passes the coerced values themselves; graphql-core passes an object that contains them.
    values: Any = getattr(info.variable_values, "coerced", info.variable_values)
    for directive in node.directives:
        if directive.name.value in ("skip", "include"):
            # Both directives have one argument, `if`: a variable or a literal.
            condition: Any = directive.arguments[0].value
            truth = values[condition.name.value] if isinstance(condition, VariableNode) else condition.value
            if truth is (directive.name.value == "skip"):
                return False
    return True


def _note_late(into: Selection, name: str, late: bool) -> None:
    """Note, before a name is added to a selection, whether it is late there."""
    if late and name not in into:
        into.late = into.late | {name}
    elif not late and name in into.late:
        into.late = into.late - {name}


def _merge(into: Selection, other: Selection, late: bool = False) -> None:
    for name, below in other.items():
        _note_late(into, name, late or name in other.late)
        _merge(into.setdefault(name, Selection()), below)
