"""Divide an operation with `@defer` into its first part and its deferred parts.

The divided operation selects the same fields as the whole one, with no fragment spread and no directive of the
execution left. It runs once, as any other operation. A field that only deferred parts select is a `LateFieldNode`:
nothing waits for it. The shapes say which fields belong to which part, so that the answer can be cut along them.

`@stream` has no part of its own. A list is delivered as a whole.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLDeferDirective,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLSchema,
    GraphQLSkipDirective,
    GraphQLStreamDirective,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    visit,
)
from graphql.execution.values import VariableValues, get_directive_values, get_variable_values
from graphql.language import REMOVE, Visitor

from engine.bounded_cache import BoundedCache

# The directives of incremental delivery.
INCREMENTAL = (GraphQLDeferDirective, GraphQLStreamDirective)
_NAMES = frozenset(directive.name for directive in INCREMENTAL)
# The directives that decide what is selected. A divided operation has none of them.
_SHAPING = _NAMES | {GraphQLSkipDirective.name, GraphQLIncludeDirective.name}
# The key of an object's type in an answer, where its type decides which parts it has.
TYPE_KEY = "@type"  # no client can select it
_TYPENAME = "__typename"


class LateFieldNode(FieldNode):
    """A field that is selected later than the object that contains it."""


LateFieldNode.kind = FieldNode.kind


class PartShape(msgspec.Struct, eq=False):
    """The fields of an object that belong to one part, by their keys, and the parts that are deferred below it.

    A field has the names of the types that it is selected on (None for all) and the shape of its value (None for a
    leaf). The value of a `whole` shape belongs to this part alone, with everything below it.
    """

    fields: dict[str, tuple[frozenset[str] | None, "PartShape | None"]] = msgspec.field(default_factory=dict)
    deferred: list["DeferredPart"] = msgspec.field(default_factory=list)
    whole: bool = True


class DeferredPart(NamedTuple):
    """A deferred part: its label, the names of the types that have it (None for all), and its shape."""

    label: str | None
    types: frozenset[str] | None
    shape: PartShape


class DividedOperation(NamedTuple):
    """An operation in parts: the document that runs, its operation, and the shape of the first part."""

    document: DocumentNode
    operation: OperationDefinitionNode
    shape: PartShape


class _OperationPart(msgspec.Struct, eq=False):
    """A part of an operation. The first part has no parent."""

    label: str | None = None
    parent: "_OperationPart | None" = None
    types: frozenset[str] | None = None


class _Selected(NamedTuple):
    """A field as a part selects it: on a type, within fragments on these types."""

    type: Any
    conditions: tuple[NamedTypeNode, ...]
    types: frozenset[str] | None
    node: FieldNode
    part: _OperationPart


class _SelectionSet(NamedTuple):
    """A selection set on a type, and the part that it belongs to."""

    type: Any
    node: SelectionSetNode
    part: _OperationPart


class Divider:
    """Divides the operations of a schema, each once for each combination of the variables that shape it."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._divided: BoundedCache[Hashable, tuple[OperationDefinitionNode, DividedOperation | None]] = BoundedCache()
        self._shaping: BoundedCache[int, tuple[OperationDefinitionNode, tuple[str, ...]]] = BoundedCache()

    def divide(self, document: DocumentNode, name: str | None, variables: Mapping[str, Any]) -> DividedOperation | None:
        """Return an operation of a valid document in parts; None if it has one part only.

        It also has one part if its variables are wrong: the run of the whole operation reports that.
        """
        operation = _operation(document, name)
        given = get_variable_values(self._schema, operation.variable_definitions or (), dict(variables))
        if isinstance(given, list):
            return None
        length = operation.loc.end if operation.loc is not None else 0
        known = self._shaping.get(id(operation))
        if known is None or known[0] is not operation:
            known = operation, tuple(sorted(_shaping_variables(document)))
            self._shaping.keep(id(operation), known, length)
        place = (id(operation), *map(given.coerced.get, known[1]))
        found = self._divided.get(place)
        if found is None or found[0] is not operation:
            # The node is stored too, so that no other node can get its id.
            found = operation, self._make(document, operation, given)
            self._divided.keep(place, found, length)
        return found[1]

    def _make(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues
    ) -> DividedOperation | None:
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        try:
            return _Division(self._schema, fragments, variables).operation(operation)
        except GraphQLError:  # a null variable in a directive: the run of the whole operation reports it
            return None


class _Division:
    """The division of one operation."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: VariableValues
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def operation(self, operation: OperationDefinitionNode) -> DividedOperation | None:
        """Return the operation in parts; None if it has one part only."""
        first = _OperationPart()
        root = _SelectionSet(self._schema.get_root_type(operation.operation), operation.selection_set, first)
        (selection_set,), shapes = self._level([root], frozenset({first}))
        if shapes[first].whole:
            return None
        divided = OperationDefinitionNode(
            operation=operation.operation,
            name=operation.name,
            variable_definitions=operation.variable_definitions,
            directives=operation.directives,
            selection_set=selection_set,
            loc=operation.loc,
        )
        return DividedOperation(DocumentNode(definitions=(divided,), loc=operation.loc), divided, shapes[first])

    def _level(
        self, sets: Sequence[_SelectionSet], known: frozenset[_OperationPart]
    ) -> tuple[list[SelectionSetNode], dict[_OperationPart, PartShape]]:
        """Return the selection sets of a level as the divided operation has them, and the shapes of its parts.

        The sets are all that is selected of the same objects. `known` are the parts for which these objects are made.
        """
        shapes = {each.part: PartShape() for each in sets}
        parts: list[_OperationPart] = []
        selected = [list(self._flat(each.node, each.type, each.part, (), None, parts)) for each in sets]
        for part in parts:
            shapes.setdefault(part, PartShape())
        by_key: dict[str, list[_Selected]] = {}
        for field in (field for fields in selected for field in fields):
            by_key.setdefault((field.node.alias or field.node.name).value, []).append(field)
        made: dict[int, FieldNode] = {}
        for key, fields in by_key.items():
            own = frozenset(field.part for field in fields)
            below, inner = self._below(fields, own)
            for field, selection_set in zip(fields, below, strict=True):
                made[id(field)] = _copied(field.node, selection_set, late=own.isdisjoint(known))
            for part in own:
                types = _union([field.types for field in fields if field.part is part])
                shapes[part].fields[key] = types, inner.get(part)
        for part in parts:
            assert part.parent is not None
            shapes[part.parent].deferred.append(DeferredPart(part.label, part.types, shapes[part]))
        for shape in shapes.values():
            shape.whole = len(shapes) == 1 and all(below is None or below.whole for _, below in shape.fields.values())
        typed = len(shapes) > 1
        written: set[Hashable] = set()
        selection_sets = []
        for each, fields in zip(sets, selected, strict=True):
            own_fields = []
            for field in fields:
                # Several parts may spread the same fragment. Its fields are written once.
                place = (id(field.node), *(condition.name.value for condition in field.conditions))
                if place not in written:
                    written.add(place)
                    own_fields.append((field.conditions, made[id(field)]))
            selection_sets.append(_selection_set(each, own_fields, typed))
        return selection_sets, shapes

    def _below(
        self, fields: Sequence[_Selected], own: frozenset[_OperationPart]
    ) -> tuple[Sequence[SelectionSetNode | None], dict[_OperationPart, PartShape]]:
        """Return what is selected below the fields of one key, and its shapes."""
        sets = []
        for field in fields:
            if field.node.selection_set is None:
                return [None] * len(fields), {}
            definition = self._schema.get_field(field.type, field.node.name.value)
            assert definition is not None
            sets.append(_SelectionSet(get_named_type(definition.type), field.node.selection_set, field.part))
        # A part that is deferred within another one of them comes later.
        return self._level(sets, frozenset(part for part in own if own.isdisjoint(_ancestors(part))))

    def _flat(
        self,
        selection_set: SelectionSetNode,
        type: Any,
        part: _OperationPart,
        conditions: tuple[NamedTypeNode, ...],
        types: frozenset[str] | None,
        parts: list[_OperationPart],
    ) -> Iterator[_Selected]:
        """Yield the fields of a selection set and of its fragments. Add the parts that begin here to `parts`."""
        for node in selection_set.selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                yield _Selected(type, conditions, types, node, part)
                continue
            fragment = self._fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
            inner, below, names = type, conditions, types
            if fragment.type_condition is not None:
                inner = self._schema.get_type(fragment.type_condition.name.value)
                if is_abstract_type(type):
                    below = (*conditions, fragment.type_condition)
                    possible = frozenset(one.name for one in self._possible(inner))
                    names = possible if types is None else possible & types
                elif is_abstract_type(inner):
                    inner = type
            defer = get_directive_values(GraphQLDeferDirective, node, self._variables)
            if defer is not None and defer["if"] is not False:
                own = _OperationPart(defer.get("label"), part, names)
                parts.append(own)
                yield from self._flat(fragment.selection_set, inner, own, below, names, parts)
            else:
                yield from self._flat(fragment.selection_set, inner, part, below, names, parts)

    def _possible(self, type: Any) -> Iterable[Any]:
        return self._schema.get_possible_types(type) if is_abstract_type(type) else (type,)

    def _included(self, node: Any) -> bool:
        if not node.directives:
            return True
        skip = get_directive_values(GraphQLSkipDirective, node, self._variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self._variables)
        return not (skip is not None and skip["if"]) and (include is None or bool(include["if"]))


def without_incremental(document: DocumentNode) -> DocumentNode:
    """Return a document without the directives of incremental delivery: the same one if it has none."""
    found: DocumentNode = visit(document, _Remover())
    return found


class _Remover(Visitor):
    """Remove the directives of incremental delivery."""

    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value in _NAMES else None


class _ShapingVariables(Visitor):
    """Find the variables in the directives that shape an operation."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value in _SHAPING:
            values = (argument.value for argument in node.arguments or ())
            self.names |= {value.name.value for value in values if isinstance(value, VariableNode)}


def _shaping_variables(document: DocumentNode) -> set[str]:
    found = _ShapingVariables()
    visit(document, found)
    return found.names


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    return next(
        node
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode) and name in (None, node.name.value if node.name else None)
    )


def _ancestors(part: _OperationPart) -> set[_OperationPart]:
    found = set()
    while part.parent is not None:
        part = part.parent
        found.add(part)
    return found


def _union(types: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    some = [names for names in types if names is not None]
    return frozenset().union(*some) if len(some) == len(types) else None


def _copied(node: FieldNode, selection_set: SelectionSetNode | None, *, late: bool) -> FieldNode:
    directives = tuple(each for each in node.directives or () if each.name.value not in _SHAPING)
    return (LateFieldNode if late else FieldNode)(
        name=node.name,
        alias=node.alias,
        arguments=node.arguments,
        directives=directives,
        selection_set=selection_set,
        loc=node.loc,
    )


def _selection_set(
    each: _SelectionSet, fields: Sequence[tuple[tuple[NamedTypeNode, ...], FieldNode]], typed: bool
) -> SelectionSetNode:
    """Return a selection set of these fields. If `typed`, objects of an abstract type say which type they have."""
    selections: list[Any] = []
    if typed and is_abstract_type(each.type):
        selections.append(FieldNode(name=NameNode(value=_TYPENAME), alias=NameNode(value=TYPE_KEY)))
    for conditions, field in fields:
        node: Any = field
        for condition in reversed(conditions):
            inner = SelectionSetNode(selections=(node,))
            node = InlineFragmentNode(type_condition=condition, selection_set=inner)
        selections.append(node)
    return SelectionSetNode(selections=tuple(selections), loc=each.node.loc)
