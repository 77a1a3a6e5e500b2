"""Count which clients ask for which fields of the graph, for `gamehub-graph usage`.

A request only counts its document. Every ten seconds the fields of these documents are counted and added to the table
in the file of the error journal, which every process of this machine can reach and which survives a restart.
"""

import asyncio
import datetime
import re
from collections import Counter
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    get_named_type,
)

from engine.bounded_cache import BoundedCache
from server.execution.documents import Documents
from server.execution.operation import Operation
from upstream.journal import Journal

# Apollo's clients send these headers; others can.
CLIENT = "apollographql-client-name"
VERSION = "apollographql-client-version"
UNNAMED = "(unnamed)"
# All clients after the first hundred.
OTHERS = "(others)"
MOST_CLIENTS = 100
LONGEST_NAME = 64
_STRANGE = re.compile(r"[^A-Za-z0-9 ._:/@+-]")

MOST_WAITING = 500
# The cache of documents has more, so that a waiting document is not parsed again.
MOST_CHARACTERS = 200_000

# It gets an operation and the headers of its request.
Count = Callable[[Operation, Mapping[str, str]], None]
# The text of a document, the name of its operation, and the two headers.
Asked = tuple[str, str | None, str, str]


class Usage:
    """The counts since they were saved last. `today` returns the day on which a count is made."""

    def __init__(self, documents: Documents, schema: GraphQLSchema, today: Callable[[], datetime.date]) -> None:
        self._documents = documents
        self._schema = schema
        self._today = today
        self._asked: dict[Asked, int] = {}
        self._characters = 0
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._fields: BoundedCache[tuple[str, str | None], tuple[str, ...]] = BoundedCache()
        self._clients: dict[tuple[str, str], tuple[str, str]] = {}
        self._began = False

    def count(self, operation: Operation, headers: Mapping[str, str]) -> None:
        """Count an operation of a request with these headers. One that is not valid counts nothing."""
        asked = (
            operation.text,
            operation.name,
            headers.get(CLIENT, ""),
            headers.get(VERSION, ""),
        )
        if asked in self._asked:
            self._asked[asked] += 1
            return
        self._asked[asked] = 1
        self._characters += _length(asked)
        while len(self._asked) > MOST_WAITING or self._characters > MOST_CHARACTERS:
            self._count_fields(next(iter(self._asked)))

    async def save(self, journal: Journal) -> None:
        """Add the counts to the table in the file of the journal."""
        for asked in list(self._asked):
            if asked in self._asked:
                self._count_fields(asked)
                await asyncio.sleep(0)
        if self._counts or not self._began:
            self._began = True
            counts, self._counts = self._counts, Counter()
            journal.count(self._today(), counts)

    def _count_fields(self, asked: Asked) -> None:
        times = self._asked.pop(asked)
        self._characters -= _length(asked)
        text, name, *headers = asked
        fields = self._fields.get((text, name))
        if fields is None:
            document = self._documents.prepare(text)
            node = document.operation(name)
            if document.errors or document.tree is None or node is None:
                return
            fields = selected_fields(self._schema, document.tree, node)
            self._fields.keep((text, name), fields, len(text))
        client, version = self._client(*headers)
        for field in fields:
            self._counts[field, client, version] += times

    def _client(self, name: str, version: str) -> tuple[str, str]:
        found = self._clients.get((name, version))
        if found is None:
            if len(self._clients) >= MOST_CLIENTS:
                return OTHERS, ""
            found = self._clients[name, version] = _plain(name) or UNNAMED, _plain(version)
        return found


def uncounted(operation: Operation, headers: Mapping[str, str]) -> None:
    """Count nothing."""


def selected_fields(schema: GraphQLSchema, tree: DocumentNode, operation: OperationDefinitionNode) -> tuple[str, ...]:
    """Return the fields that an operation selects, such as `Group.name`, each once. Introspection has none."""
    fragments = {node.name.value: node for node in tree.definitions if isinstance(node, FragmentDefinitionNode)}
    found: dict[str, None] = {}
    root: GraphQLNamedType | None = schema.get_root_type(operation.operation)
    waiting = [(root, operation.selection_set)]
    while waiting:
        parent, selections = waiting.pop()
        for node in selections.selections:
            if isinstance(node, FieldNode):
                field = getattr(parent, "fields", {}).get(node.name.value)
                if field is not None:
                    found[f"{parent}.{node.name.value}"] = None
                    if node.selection_set is not None:
                        waiting.append((get_named_type(field.type), node.selection_set))
                continue
            # A fragment is looked at once.
            part = fragments.pop(node.name.value, None) if isinstance(node, FragmentSpreadNode) else node
            if isinstance(part, FragmentDefinitionNode | InlineFragmentNode):
                condition = part.type_condition
                kind = parent if condition is None else schema.type_map[condition.name.value]
                waiting.append((kind, part.selection_set))
    return tuple(found)


def today_in(zone: ZoneInfo) -> Callable[[], datetime.date]:
    """Return a function that returns the day in a time zone."""
    return lambda: datetime.datetime.now(zone).date()


def _plain(text: str) -> str:
    return _STRANGE.sub("?", text[:LONGEST_NAME]).strip()


def _length(asked: Asked) -> int:
    text, name, client, version = asked
    return len(text) + len(name or "") + len(client) + len(version)
