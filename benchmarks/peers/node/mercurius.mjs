// mercurius with its JIT, on fastify.
import Fastify from "fastify"
import mercurius from "mercurius"
import { context, port, resolvers, typeDefs } from "./sources.mjs"

const app = Fastify()
app.register(mercurius, { schema: typeDefs, resolvers, jit: 1, graphiql: false, context: () => context() })
await app.listen({ port, host: "127.0.0.1" })
