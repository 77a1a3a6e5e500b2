"""The kinds that arguments and variables name, as the schema says it."""

from graphql import OperationDefinitionNode, parse

from schema import graph
from server.pages.choices import kinds_of_variables, named

SCHEMA = graph.schema._schema


def test_arguments_name_what_the_schema_says() -> None:
    found = named(SCHEMA)
    assert found["Query.group"] == {"id": "Group"}
    assert found["Query.groups"] == {"ids": "Group"}
    assert found["Query.games"] == {"roomId": "Room"}
    assert found["User.transactions"] == {"inGroup": "Group"}
    assert found["Subscription.gamesOnSale"] == {"roomId": "Room"}
    assert found["TransactionWhere"] == {"user": "User", "group": "Group", "game": "Game"}
    assert "GameLogWhere" not in found  # its `game` is a code
    assert "Query.node" not in found


def test_a_variable_names_what_its_argument_names() -> None:
    text = """query ($a: ID!, $b: ID, $c: Period, $d: ID!) {
        group(id: $a) { users { nodes { transactions(inGroup: $b, during: $c) { totalCount } } } }
        other: games(roomId: $d) { totalCount }
    }"""
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert kinds_of_variables(operation, SCHEMA) == {"a": "Group", "b": "Group", "d": "Room"}
