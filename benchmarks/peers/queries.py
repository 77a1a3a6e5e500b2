"""The questions: their texts, their variables, and the upstream calls that each must make."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from peers import world

WALK = """query Walk($group: ID!, $first: Int, $during: Period!) {
  group(id: $group) {
    id
    name
    users(first: $first) {
      nodes {
        id
        username
        transactions(during: $during, inGroup: $group, first: 1000) {
          totalCount
          nodes { id timestamp type amount ticketId }
        }
        gameLogs(during: $during, first: 1000) {
          totalCount
          nodes { id gameCode type bet win createdAt }
        }
      }
    }
  }
}"""
MEDIUM = """query Medium($group: ID!, $first: Int) {
  group(id: $group) { id name users(first: $first) { nodes { id username } } }
}"""
SMALL = "query Small($group: ID!) { group(id: $group) { id name } }"


PAGE = 10_000  # rows


@dataclass(frozen=True, slots=True)
class Query:
    """A question: its text, the size of its world, the variables it takes, and the calls that it must make."""

    text: str
    size: int
    variables: tuple[str, ...]
    calls: Mapping[str, int]

    @property
    def fills_page(self) -> bool:
        """Whether the game log has exactly as many rows as a page."""
        return "G1" in self.calls and self.size * world.A_USER == PAGE

    def body(self, world: world.World) -> bytes:
        """The request's body."""
        day = world.day.isoformat()
        variables = {"group": str(world.group), "first": self.size, "during": {"dates": {"from": day, "to": day}}}
        return orjson.dumps({"query": self.text, "variables": {name: variables[name] for name in self.variables}})


def _walk(size: int) -> Query:
    pages = -(-size * world.A_USER // PAGE)
    return Query(WALK, size, ("group", "first", "during"), {"R8": 1, "R9": 1, "R5": 1, "G1": pages})


QUERIES = {
    **{f"walk{size}": _walk(size) for size in world.SIZES},
    "medium": Query(MEDIUM, 50, ("group", "first"), {"R8": 1, "R9": 1}),
    "small": Query(SMALL, 50, ("group",), {"R8": 1}),
}
