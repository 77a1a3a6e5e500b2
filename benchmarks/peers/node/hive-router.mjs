// Hive Gateway with the query planner of Hive Router, which is written in Rust. The subgraphs run in this process with
// graphql-jit, so no call between processes is in the way. CACHE_SECONDS as in hive.mjs.
import { createServer } from "node:http"
import { createGatewayRuntime, Logger } from "@graphql-hive/gateway-runtime"
import { unifiedGraphHandler } from "@graphql-hive/router-runtime"
import InMemoryLRUCache from "@graphql-mesh/cache-inmemory-lru"
import { composeServices } from "@theguild/federation-composition"
import { parse } from "graphql"
import { compileQuery } from "graphql-jit"
import { federated } from "./federated.mjs"
import { cacheSeconds, context, port } from "./sources.mjs"

const composed = composeServices(
  Object.entries(federated).map(([name, { text }]) => ({ name, typeDefs: parse(text), url: `http://${name}/` })),
)
if (composed.errors) throw new AggregateError(composed.errors)

// A subgraph's executor. The planner gives the same document for the same operation, so it is compiled once.
const executor = ({ schema }) => {
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
  transports: { http: { getSubgraphExecutor: ({ subgraphName }) => executor(federated[subgraphName.toLowerCase()]) } },
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
