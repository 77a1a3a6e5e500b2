"""The schema: all types together, as a subgraph of Apollo Federation 2."""

import asyncio
import copy
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from graphql import DirectiveLocation, GraphQLDirective, GraphQLError, GraphQLObjectType, GraphQLSchema, Undefined
from strawberry import Info
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from engine.divide import INCREMENTAL
from resolvers.session import Session
from schema import references
from schema.costs import costs
from schema.deprecations import deprecate
from schema.documents import api_document, subgraph_document
from schema.game_log import GameLog
from schema.mapping.docs import document
from schema.mapping.errors import BadUserInput, finish
from schema.mapping.selection import select
from schema.query import Query
from schema.scalars import SCALARS
from schema.subgraphs import SUBGRAPHS, WHOLE, Subgraph
from schema.subscription import Subscription
from schema.transaction import Transaction
from upstream.reports.table import System

# The lowest version of federation that the gateways of today test. All directives that are used exist in it.
VERSION = "v2.5"
# The lowest version that has `@cost` and `@listSize`.
VERSION_OF_COSTS = "v2.9"
MAX_REPRESENTATIONS = 5000
# The number of representations whose lookup starts in one turn of the event loop.
BATCH = 100


class Graph(Schema):
    """The schema of a subgraph, which finds entities in batches and gives every error its code."""

    def __init__(self, subgraph: Subgraph) -> None:
        super().__init__(
            query=Query,
            subscription=Subscription,
            types=[Transaction, GameLog],
            config=StrawberryConfig(scalar_map=SCALARS),
        )
        document(self._schema)
        _drop_null_defaults(self._schema)
        deprecate(self._schema)
        self._schema.directives = (*self._schema.directives, ROWS)
        self._schema = subgraph.cut(self._schema)
        self._schema._strawberry_schema = self  # type: ignore[attr-defined]  # as Strawberry's own constructor does
        self.references = subgraph.references
        self._directives = subgraph.directives

    @cached_property
    def sdl(self) -> str:
        """Return the schema as a subgraph of the lowest version of federation that the gateways of today test."""
        return subgraph_document(self._schema, self._directives, VERSION)

    @property
    def sdl_with_costs(self) -> str:
        """Return the same with the costs of fields, which a later version of federation has."""
        found = costs(self._schema)
        together = {
            name: (*self._directives.get(name, ()), *found.get(name, ())) for name in {**self._directives, **found}
        }
        directives = {name: each for name, each in together.items() if each}
        return subgraph_document(self._schema, directives, VERSION_OF_COSTS)

    @property
    def api(self) -> str:
        """Return the schema as clients see it."""
        return api_document(self._schema)

    async def entities_resolver(  # type: ignore[override]
        self, info: Info[Session, Any], representations: list[FederationAny]
    ) -> list[FederationAny]:
        """Return the entities of a list of representations, in its order. An entity that is not found fails alone.

        Strawberry's own resolver changes its input, does not convert names, and resolves one entity at a time.
        """

        if len(representations) > MAX_REPRESENTATIONS:
            raise BadUserInput(
                f"representations: {len(representations)} are too many; ask for up to {MAX_REPRESENTATIONS} at a time."
            )

        session = info.context
        session.nodes.take(len(representations))
        keys = list(map(partial(references.key, references=self.references), representations))
        different = dict(zip(keys, representations, strict=True))

        async def find(representation: Any) -> Any:
            name = representation.get("__typename") if isinstance(representation, dict) else None
            kind = name if isinstance(name, str) else ""
            return await references.find(session, representation, select(info, on=kind), self.references)

        finding: list[asyncio.Future[Any]] = []
        try:
            # The keys of all turns are read as one batch.
            session.gathering += 1
            try:
                waiting = list(different.values())
                for begin in range(0, len(waiting), BATCH):
                    finding += [asyncio.ensure_future(find(one)) for one in waiting[begin : begin + BATCH]]
                    await asyncio.sleep(0)
            finally:
                session.gathering -= 1
            values: list[Any] = await asyncio.gather(*finding, return_exceptions=True)
        finally:
            for task in finding:
                task.cancel()
        found = dict(zip(different, values, strict=True))
        return [found[key] for key in keys]

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Give every error its code, and remove internal details (`schema/mapping/errors.py`)."""
        session = execution_context.context if execution_context else None
        for error in errors:
            finish(error, quiet=isinstance(session, Session) and session.rehearsal)


def _drop_null_defaults(schema: GraphQLSchema) -> None:
    """Remove the default `= null` that Strawberry writes for an optional argument where Python needs a default."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for argument in (argument for field in kind.fields.values() for argument in field.args.values()):
                if argument.default_value is None:
                    argument.default_value = Undefined


# This is not a Strawberry directive, because those run code on every field.
ROWS = GraphQLDirective(
    "rows",
    [DirectiveLocation.FIELD],
    description="Marks the list whose items are the rows of a saved query's table. The answer stays the same.",
)


def with_incremental_delivery(schema: Graph) -> Graph:
    """Return the same schema with `@defer` and `@stream`."""
    found = copy.copy(schema)
    # graphql-core runs a schema with these directives only on request. The documents that it runs do not have them.
    found.config = replace(schema.config, enable_experimental_incremental_execution=True)
    known = schema._schema.to_kwargs()
    found._schema = GraphQLSchema(**known | {"directives": (*known["directives"], *INCREMENTAL)})
    found._schema._strawberry_schema = found  # type: ignore[attr-defined]  # as Strawberry does
    return found


schema = Graph(WHOLE)


def subgraph(system: System) -> Graph:
    """Return the part of the graph that one system knows."""
    return Graph(SUBGRAPHS[system])


def sdl() -> str:
    """Return the schema as a document, as `schema/schema.graphql` contains it."""
    return schema.sdl
