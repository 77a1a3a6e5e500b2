// The graph as two federated subgraphs, for gateways that plan: GameHub has the groups, the users and their transactions,
// Game History has their game logs. The resolvers are those of the other servers.
import { makeExecutableSchema } from "@graphql-tools/schema"
import { resolvers, typeDefs } from "./sources.mjs"

// The definitions of the graph, by name. Those that no subgraph names are in both.
const definitions = Object.fromEntries(typeDefs.split("\n\n").map((text) => [text.match(/^\w+ (\w+)/)[1], text]))
const { User, Query, Group, UserConnection, TransactionConnection, Transaction, GameLogConnection, GameLog, ...shared } =
  definitions
const userWithout = (field) =>
  User.replace(new RegExp(`\n  ${field}\\b.*`), "").replace("{", '@key(fields: "id username") {')
const ENTITIES = `
scalar _Any
union _Entity = User
directive @key(fields: String!) on OBJECT
extend type Query { _entities(representations: [_Any!]!): [_Entity]! }`

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

// By name: what a subgraph tells the composition, and its schema, which also resolves users by their keys.
const LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])'
export const federated = Object.fromEntries(
  Object.entries(subgraphs).map(([name, { types, resolvers }]) => {
    const text = [...Object.values(shared), ...types].join("\n\n")
    const schema = makeExecutableSchema({
      typeDefs: [text, ...(resolvers.Query ? [] : ["type Query"]), ENTITIES],
      resolvers: {
        ...resolvers,
        Query: { ...resolvers.Query, _entities: (_, { representations }) => representations },
        _Entity: { __resolveType: () => "User" },
      },
    })
    return [name, { text: `${LINK}\n${text}`, schema }]
  }),
)
