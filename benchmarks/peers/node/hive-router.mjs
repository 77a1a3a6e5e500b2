// Hive Gateway with the query planner of Hive Router, which is written in Rust, over a federated graph: GameHub is one
// subgraph, Game History another. Both run in this process with graphql-jit, so no call between processes is in the way.
import { createServer } from "node:http"
import { createGatewayRuntime, Logger } from "@graphql-hive/gateway-runtime"
import { unifiedGraphHandler } from "@graphql-hive/router-runtime"
import InMemoryLRUCache from "@graphql-mesh/cache-inmemory-lru"
import { makeExecutableSchema } from "@graphql-tools/schema"
import { composeServices } from "@theguild/federation-composition"
import { parse } from "graphql"
import { compileQuery } from "graphql-jit"
import { cacheSeconds, context, port, resolvers, typeDefs } from "./sources.mjs"

// The definitions of the graph, by name. Those that no subgraph names are in both.
const definitions = Object.fromEntries(typeDefs.split("\n\n").map((text) => [text.match(/^\w+ (\w+)/)[1], text]))
const { User, Query, Group, UserConnection, TransactionConnection, Transaction, GameLogConnection, GameLog, ...shared } =
  definitions
const userWithout = (field) =>
  User.replace(new RegExp(`\n  ${field}\\b.*`), "").replace("{", '@key(fields: "id username") {')
const LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])'
const ENTITIES = `
scalar _Any
union _Entity = User
directive @key(fields: String!) on OBJECT
extend type Query { _entities(representations: [_Any!]!): [_Entity]! }`

const entities = { _entities: (_, { representations }) => representations }
const subgraphs = {
  gamehub: {
    types: [Query, Group, UserConnection, userWithout("gameLogs"), TransactionConnection, Transaction],
    resolvers: { ...resolvers, User: { transactions: resolvers.User.transactions } },
  },
  gamehistory: {
    types: [userWithout("transactions"), GameLogConnection, GameLog],
    resolvers: { User: { gameLogs: resolvers.User.gameLogs } },
  },
}

// What a subgraph tells the composition; it also answers the planner's questions for entities.
const texts = Object.fromEntries(
  Object.entries(subgraphs).map(([name, { types }]) => [name, [...Object.values(shared), ...types].join("\n\n")]),
)
const composed = composeServices(
  Object.entries(texts).map(([name, text]) => ({ name, typeDefs: parse(`${LINK}\n${text}`), url: `http://${name}/` })),
)
if (composed.errors) throw new AggregateError(composed.errors)

// A subgraph's executor. The planner gives the same document for the same operation, so it is compiled once.
const executor = (name) => {
  const { resolvers } = subgraphs[name]
  const schema = makeExecutableSchema({
    typeDefs: [texts[name], ...(resolvers.Query ? [] : ["type Query"]), ENTITIES],
    resolvers: {
      ...resolvers,
      Query: { ...resolvers.Query, ...entities },
      _Entity: { __resolveType: () => "User" },
    },
  })
  const compiled = new WeakMap()
  return ({ document, variables, operationName, rootValue }) => {
    let query = compiled.get(document)
    if (!query) compiled.set(document, (query = compileQuery(schema, document, operationName)))
    return query.query(rootValue, context(), variables)
  }
}

const gateway = createGatewayRuntime({
  supergraph: composed.supergraphSdl,
  unifiedGraphHandler,
  transports: { http: { getSubgraphExecutor: ({ subgraphName }) => executor(subgraphName.toLowerCase()) } },
  ...(cacheSeconds && {
    cache: new InMemoryLRUCache({ max: 1_000_000 }), // one entry for each answer, two for each entity in it
    responseCaching: { session: () => null, ttl: cacheSeconds * 1000 },
    inboundInflightRequestDeduplication: true,
  }),
  logging: new Logger({ level: "error" }),
  graphiql: false,
  landingPage: false,
})
createServer(gateway).listen(port, "127.0.0.1")
