"""Write queries for the whole schema: from every field at the root to every field, until types repeat."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
)

# Connections are gone through to their items, so they do not count as types of their own.
_THROUGH = ("Connection", "Edge", "PageInfo")


@dataclass
class Everything:
    """Write the queries.

    `values` are the values to try of an argument: as JSON of a field's at the root (`user.id`), in GraphQL below
    (`inGroup`). `always` are the arguments that are given wherever there are such. A required list of the values of an
    enum has all of them (`by`).

    `requested` are the fields that were written into some query, `depth` is how many types deep a query goes.
    """

    schema: GraphQLSchema
    values: Mapping[str, Sequence[Any]]
    always: Mapping[str, str]
    depth: int = 4
    requested: set[tuple[str, str]] = field(default_factory=set)

    def queries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield a query for each field at the root, with its variables for each value of its arguments."""
        query = self.schema.query_type
        assert query is not None
        for name, each in query.fields.items():
            if name == "_service":
                continue
            self.requested.add((query.name, name))
            below = self._below(each, ())
            fixed = [f"{argument}: {value}" for argument, value in self.always.items() if argument in each.args]
            if not any(str(argument.type).endswith("!") for argument in each.args.values()):
                yield f"{{ {name}{_given(fixed)}{below} }}", {}
            for argument, kind in each.args.items():
                text = f"query ($value: {kind.type}) {{ {name}{_given([*fixed, f'{argument}: $value'])}{below} }}"
                for value in self.values.get(f"{name}.{argument}", ()):
                    yield text, {"value": value}

    def fields(self) -> set[tuple[str, str]]:
        """Return all fields that queries select, except those that only federation uses.

        `tests/server/subscriptions` has the visibility of subscriptions, whose events are read like queries.
        """
        kinds = [kind for kind in self.schema.type_map.values() if isinstance(kind, GraphQLObjectType)]
        named = {(kind.name, name) for kind in kinds if not kind.name.startswith("__") for name in kind.fields}
        return {(kind, name) for kind, name in named if kind not in ("_Service", "Subscription") and name != "_service"}

    def _below(self, above: GraphQLField, path: tuple[str, ...]) -> str:
        kind = get_named_type(above.type)
        if is_leaf_type(kind):
            return ""
        if is_abstract_type(kind):
            assert not isinstance(kind, GraphQLUnionType) or kind.types
            options = self.schema.get_possible_types(kind)
            # Each of them is gone through from fields of its own: here a look at what it leads to is enough.
            path = ("",) * (self.depth - 2)
            inner = " ".join(
                f"... on {option.name} {self._fields(option, path, alias=f'{option.name}__')}" for option in options
            )
            return f" {{ __typename {inner} }}"
        return f" {self._fields(kind, path)}"

    def _fields(self, kind: GraphQLNamedType, path: tuple[str, ...], alias: str = "") -> str:
        assert isinstance(kind, GraphQLObjectType)
        again = kind.name in path or len(path) >= self.depth
        if not kind.name.endswith(_THROUGH):
            path = (*path, kind.name)
        if kind.name.endswith("BucketKey"):
            # The rows beside the buckets lead to the same entities, and everything below those is written there.
            path = (*path, *("",) * self.depth)[: self.depth - 1]
        parts = ["__typename"]
        for name, each in kind.fields.items():
            # Of a type that stands above already, what it is of itself is enough, and of an edge beside `nodes`.
            if again and not is_leaf_type(get_named_type(each.type)):
                continue
            if kind.name.endswith("Edge") and name == "node":
                self.requested.add((kind.name, name))
                parts.append("node { __typename }")
                continue
            self.requested.add((kind.name, name))
            fixed = [f"{argument}: {value}" for argument, value in self.always.items() if argument in each.args]
            fixed += [f"{argument}: {_all(of)}" for argument, of in each.args.items() if is_required_argument(of)]
            tries = [[f"{argument}: {value}"] for argument in each.args for value in self.values.get(argument, ())]
            below = self._below(each, path)
            for number, tried in enumerate([[], *tries]):
                # The name stands at the end, where whoever reads the answer finds it.
                other = f"{alias}{f'again{number}__' if number else ''}"
                parts.append(f"{f'{other}{name}: ' if other else ''}{name}{_given([*fixed, *tried])}{below}")
        return f"{{ {' '.join(parts)} }}"


def _given(arguments: Sequence[str]) -> str:
    return f"({', '.join(arguments)})" if arguments else ""


def _all(argument: GraphQLArgument) -> str:
    """Return the list of all values of an enum."""
    kind = get_named_type(argument.type)
    assert isinstance(kind, GraphQLEnumType)
    return f"[{', '.join(kind.values)}]"
