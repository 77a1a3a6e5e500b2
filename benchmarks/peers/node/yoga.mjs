// graphql-yoga with graphql-jit, on node:http. With CACHE_SECONDS, its response cache keeps whole answers.
import { createServer } from "node:http"
import { useGraphQlJit } from "@envelop/graphql-jit"
import { useResponseCache } from "@graphql-yoga/plugin-response-cache"
import { createSchema, createYoga } from "graphql-yoga"
import { cacheSeconds, context, port, resolvers, typeDefs } from "./sources.mjs"

const cached = () => useResponseCache({ session: () => null, ttl: cacheSeconds * 1000 })
const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  plugins: [useGraphQlJit(), ...(cacheSeconds ? [cached()] : [])],
  context: () => context(),
  graphiql: false,
  landingPage: false,
  logging: false,
})
createServer(yoga).listen(port, "127.0.0.1")
