// mercurius with its JIT, on fastify. With CACHE_SECONDS, mercurius-cache keeps the results of the resolvers.
import Fastify from "fastify"
import mercurius from "mercurius"
import cache from "mercurius-cache"
import { cacheSeconds, context, port, resolvers, typeDefs } from "./sources.mjs"

const app = Fastify()
app.register(mercurius, { schema: typeDefs, resolvers, jit: 1, graphiql: false, context: () => context() })
if (cacheSeconds) {
  const policy = Object.fromEntries(
    Object.entries(resolvers).map(([type, fields]) => [
      type,
      Object.fromEntries(Object.keys(fields).map((field) => [field, true])),
    ]),
  )
  app.register(cache, { ttl: cacheSeconds, policy, storage: { type: "memory", options: { size: 100_000 } } })
}
await app.listen({ port, host: "127.0.0.1" })
