"""What an operation selects below a field: a tree of field names, with `@skip` and `@include` carried out."""

from collections.abc import Iterable
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLResolveInfo,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
)
from strawberry import Info

from resolvers.session import Session

Resolving = GraphQLResolveInfo[Session]
ABSTRACT = frozenset({"Node", "_Entity"})


class Selection(dict[str, "Selection"]):
    """Selected field names, each with what is selected below it. Aliases fall together under the field's name."""

    __slots__ = ()

    def below(self, *paths: str) -> "Selection":
        """What is selected at any of the dotted paths, merged."""
        merged = Selection()
        for path in paths:
            here: Selection | None = self
            for name in path.split("."):
                here = here.get(name) if here is not None else None
            if here is not None:
                _merge(merged, here)
        return merged


def select(info: Info[Session, Any], *paths: str, on: str = "") -> Selection:
    """The selection below the field that is being resolved, or below dotted paths from there.

    `on` names the object type where the field's type is abstract, so that the fragments of other types are left out.
    """
    raw: Resolving = info._raw_info
    key = (on, paths, *map(id, raw.field_nodes))
    memo = info.context.memo
    selection: Selection | None = memo.get(key)
    if selection is None:
        selection = Selection()
        for node in raw.field_nodes:
            _collect(raw, node.selection_set, on, selection)
        if paths:
            selection = selection.below(*paths)
        memo[key] = selection
    return selection


def _collect(info: Resolving, selection_set: SelectionSetNode | None, on: str, into: Selection) -> None:
    for node in selection_set.selections if selection_set else ():
        if not _included(info, node):
            continue
        if isinstance(node, FieldNode):
            _collect(info, node.selection_set, "", into.setdefault(node.name.value, Selection()))
            continue
        fragment = info.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
        assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
        condition = fragment.type_condition.name.value if fragment.type_condition else ""
        if not on or not condition or condition == on or condition in ABSTRACT:
            _collect(info, fragment.selection_set, on, into)


def _included(info: Resolving, node: Any) -> bool:
    if not node.directives:
        return True
    # Strawberry hands the coerced values on as they are, graphql-core keeps them in an object.
    values: Any = getattr(info.variable_values, "coerced", info.variable_values)
    for directive in node.directives:
        if directive.name.value in ("skip", "include"):
            # Both have one argument, `if`, a variable or a literal.
            condition: Any = directive.arguments[0].value
            truth = values[condition.name.value] if isinstance(condition, VariableNode) else condition.value
            if truth is (directive.name.value == "skip"):
                return False
    return True


def _merge(into: Selection, other: Iterable[tuple[str, Selection]] | Selection) -> None:
    for name, below in dict(other).items():
        _merge(into.setdefault(name, Selection()), below)
