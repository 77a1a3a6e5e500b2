"""Coerce the arguments of a field. Literals are coerced once; variables are taken as they are."""

from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLField, VariableNode, is_non_null_type
from graphql.execution.values import VariableValues, get_argument_values
from graphql.language import Visitor, visit


class Arguments:
    """The arguments of one field of an operation."""

    __slots__ = ("_constant", "_definition", "_node", "_variable")

    def __init__(self, definition: GraphQLField, node: FieldNode) -> None:
        self._definition = definition
        self._node = node
        self._constant: dict[str, Any] | None = None
        self._variable: list[tuple[str, str, bool]] = []
        variable = {one.name.value: one.value for one in node.arguments or () if isinstance(one.value, VariableNode)}
        for name in variable.keys() & definition.args.keys():
            argument = definition.args[name]
            out_name = argument.out_name or name
            self._variable.append((variable[name].name.value, out_name, not is_non_null_type(argument.type)))
        rest = [one for one in node.arguments or () if one.name.value not in variable]
        if not any(map(_reads_variable, rest)):
            others = {name: argument for name, argument in definition.args.items() if name not in variable}
            alone = FieldNode(name=node.name, arguments=tuple(rest))
            try:
                self._constant = get_argument_values(GraphQLField(definition.type, others), alone)
            except GraphQLError:
                self._constant = None  # the execution reports the error, with the node of the operation

    def coerce(self, variables: VariableValues) -> dict[str, Any]:
        """Return the values of the arguments. Raise the error in them."""
        if self._constant is not None:
            found, coerced = dict(self._constant), variables.coerced
            for name, out_name, nullable in self._variable:
                value = coerced.get(name)
                if value is None and not (nullable and name in coerced):
                    break
                found[out_name] = value
            else:
                return found
        return get_argument_values(self._definition, self._node, variables)


def _reads_variable(node: Any) -> bool:
    found = _VariableFinder()
    visit(node, found)
    return found.any


class _VariableFinder(Visitor):
    """Find a variable in a literal."""

    def __init__(self) -> None:
        super().__init__()
        self.any = False

    def enter_variable(self, *_: Any) -> None:
        self.any = True
