"""The globally unique id of an entity: its type, its id, and the other values that are needed to find it again."""

import base64
import binascii

import orjson
import strawberry

from schema.mapping.errors import BadUserInput


@strawberry.interface
class Node:
    """An entity that can be found again by its globally unique id."""

    @strawberry.field
    def node_id(self) -> strawberry.ID:
        """The globally unique id. It is opaque; `node(nodeId:)` takes it."""
        return strawberry.ID(encode(type(self).__name__, *self.place()))

    def place(self) -> tuple[object, ...]:
        """Return the values that lead to the entity, its id first."""
        raise NotImplementedError


def encode(*parts: object) -> str:
    """Return the globally unique id of a type's name, an id and further parts."""
    return base64.urlsafe_b64encode(orjson.dumps([str(part) for part in parts])).decode().rstrip("=")


def decode(node_id: str) -> tuple[str, ...]:
    """Return the parts of a globally unique id. Raise `BadUserInput` for anything that `encode` did not write."""
    try:
        parts = orjson.loads(base64.b64decode(node_id + "=" * (-len(node_id) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        parts = None
    if not isinstance(parts, list) or len(parts) < 2 or encode(*parts) != node_id:
        raise BadUserInput(f'nodeId: "{node_id[:60]}" is not a nodeId of this graph; take it from a `nodeId` field.')
    return tuple(parts)
