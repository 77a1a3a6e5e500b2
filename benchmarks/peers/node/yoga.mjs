// graphql-yoga with graphql-jit, on node:http.
import { createServer } from "node:http"
import { useGraphQlJit } from "@envelop/graphql-jit"
import { createSchema, createYoga } from "graphql-yoga"
import { context, port, resolvers, typeDefs } from "./sources.mjs"

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  plugins: [useGraphQlJit()],
  context: () => context(),
  graphiql: false,
  landingPage: false,
  logging: false,
})
createServer(yoga).listen(port, "127.0.0.1")
