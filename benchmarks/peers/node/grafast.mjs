// grafast and grafserv, on node:http. A plan says which rows a field needs; grafast calls each loader once for all users.
import { createServer } from "node:http"
import { get, lambda, loadOne, makeGrafastSchema } from "grafast"
import { grafserv } from "grafserv/node"
import { calls, logs, movements, page, port, typeDefs, usersOf } from "./sources.mjs"

// The keys of one step may be of several groups and periods: one call for each.
const batched = (word, whole) => (keys) => {
  const found = new Map()
  return keys.map(async (key) => {
    const name = word(key)
    let call = found.get(name)
    if (!call) found.set(name, (call = whole(key)))
    return (await call).get(key.key) ?? []
  })
}

const groups = (ids) => ids.map(async (id) => (await calls.groups(id))[0] ?? null)
const users = (ids) => ids.map((id) => usersOf(calls, id))
const transactions = batched(
  ({ group, from, to }) => `${group} ${from} ${to}`,
  ({ group, from, to }) => movements(calls, group, { from, to }),
)
const gameLogs = batched(
  ({ from, to }) => `${from} ${to}`,
  ({ from, to }) => logs(calls, { from, to }),
)

const cut = ($rows, $first) => lambda([$rows, $first], ([rows, first]) => page(rows, first), true)
const dates = (args) => ({ from: args.getRaw(["during", "dates", "from"]), to: args.getRaw(["during", "dates", "to"]) })

const schema = makeGrafastSchema({
  typeDefs,
  objects: {
    Query: { plans: { group: (_, { $id }) => loadOne($id, groups) } },
    Group: { plans: { users: ($group, { $first }) => cut(loadOne(get($group, "id"), users), $first) } },
    User: {
      plans: {
        transactions: ($user, args) =>
          cut(loadOne({ key: get($user, "id"), group: args.$inGroup, ...dates(args) }, transactions), args.$first),
        gameLogs: ($user, args) =>
          cut(loadOne({ key: get($user, "username"), ...dates(args) }, gameLogs), args.$first),
      },
    },
  },
})

const server = createServer()
const serving = grafserv({ schema, preset: { grafserv: { graphqlPath: "/graphql", graphiql: false, websockets: false } } })
await serving.addTo(server)
server.listen(port, "127.0.0.1")
