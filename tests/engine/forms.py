"""Other forms of the same query, chosen at random: variables, fragments, directives, aliases and repeated fields."""

import random
from typing import Any, cast

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse_type,
    value_from_ast_untyped,
    visit,
)


class _Rewriter(Visitor):
    def __init__(self, types: TypeInfo, chance: random.Random) -> None:
        super().__init__()
        self.types = types
        self.chance = chance
        self.variables: dict[str, Any] = {}
        self.definitions: list[VariableDefinitionNode] = []
        self.fragments: list[FragmentDefinitionNode] = []

    def leave_argument(self, node: ArgumentNode, *_: Any) -> Any:
        argument = self.types.get_argument()
        if argument is None or self.chance.randrange(3):
            return None
        name = f"v{len(self.definitions)}"
        default = self.chance.randrange(3) == 0
        self.definitions.append(
            VariableDefinitionNode(
                variable=_variable(name), type=parse_type(str(argument.type)),
                default_value=cast(Any, node.value) if default else None, directives=(),
            )
        )  # fmt: skip
        if not default or self.chance.randrange(2):
            self.variables[name] = value_from_ast_untyped(node.value)
        return ArgumentNode(name=node.name, value=_variable(name))

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> Any:
        parent = self.types.get_parent_type()
        assert parent is not None
        chance, found = self.chance, []
        for selection in node.selections:
            if not isinstance(selection, FieldNode):
                found.append(selection)
                continue
            match chance.randrange(9):
                case 0:
                    found.append(_with(selection, directives=self._shaped()))
                case 1:
                    found += [selection, _with(selection, alias=NameNode(value=f"again_{_key(selection)}"))]
                case 2 if selection.selection_set is not None:
                    # A field that is selected twice is one field, with both selections.
                    inner = selection.selection_set.selections
                    for part in (inner[: len(inner) // 2 + 1], inner[len(inner) // 2 :]):
                        found.append(_with(selection, selection_set=SelectionSetNode(selections=tuple(part))))
                case _:
                    found.append(selection)
        if chance.randrange(4) == 0:
            alias = NameNode(value=f"kind{chance.randrange(2)}") if chance.randrange(2) else None
            name = FieldNode(name=NameNode(value="__typename"), alias=alias, arguments=(), directives=())
            found.insert(chance.randrange(len(found) + 1), name)
        if chance.randrange(4) == 0:
            start = chance.randrange(len(found))
            found[start:] = [self._fragment(parent.name, found[start:])]
        return SelectionSetNode(selections=tuple(found))

    def _fragment(self, on: str, selections: list[Any]) -> Any:
        directives = self._shaped() if self.chance.randrange(3) == 0 else ()
        inner = SelectionSetNode(selections=tuple(selections))
        condition = NamedTypeNode(name=NameNode(value=on))
        if self.chance.randrange(2):
            named = condition if self.chance.randrange(2) else None
            return InlineFragmentNode(type_condition=named, directives=directives, selection_set=inner)
        name = NameNode(value=f"F{len(self.fragments)}")
        self.fragments.append(
            FragmentDefinitionNode(name=name, type_condition=condition, directives=(), selection_set=inner,
                                   variable_definitions=())
        )  # fmt: skip
        return FragmentSpreadNode(name=name, directives=directives)

    def _shaped(self) -> tuple[DirectiveNode, ...]:
        """Add `@skip`, `@include` or both, with a literal or a variable."""
        names = self.chance.choice([("skip",), ("include",), ("skip", "include")])
        return tuple(
            DirectiveNode(name=NameNode(value=name), arguments=(ArgumentNode(name=NameNode(value="if"), value=value),))
            for name in names
            for value in [self._truth(name == "include" if self.chance.randrange(3) else name != "include")]
        )

    def _truth(self, value: bool) -> Any:
        if self.chance.randrange(2):
            return BooleanValueNode(value=value)
        name = f"if{self.chance.randrange(3)}"
        if all(each.variable.name.value != name for each in self.definitions):
            kind = parse_type("Boolean!")
            self.definitions.append(
                VariableDefinitionNode(variable=_variable(name), type=kind, default_value=None, directives=())
            )
            self.variables[name] = value
        return _variable(name)


def rewritten(schema: GraphQLSchema, document: DocumentNode, seed: int) -> tuple[DocumentNode, dict[str, Any]]:
    """Return another form of a query, and its variables."""
    types = TypeInfo(schema)
    rewriter = _Rewriter(types, random.Random(seed))
    changed: DocumentNode = visit(document, TypeInfoVisitor(types, rewriter))
    definitions = [
        _with(node, variable_definitions=tuple(rewriter.definitions))
        if isinstance(node, OperationDefinitionNode)
        else node
        for node in changed.definitions
    ]
    return DocumentNode(definitions=(*definitions, *rewriter.fragments)), rewriter.variables


def _variable(name: str) -> VariableNode:
    return VariableNode(name=NameNode(value=name))


def _key(field: FieldNode) -> str:
    return (field.alias or field.name).value


def _with(node: Any, **changes: Any) -> Any:
    """Return a copy of a node with some members changed."""
    members = {key: getattr(node, key) for key in node.keys if key != "loc"}
    return type(node)(**(members | changes))
