// Apollo Server, stand-alone. With CACHE_SECONDS, its response cache keeps whole answers.
import { ApolloServer } from "@apollo/server"
import { ApolloServerPluginCacheControl } from "@apollo/server/plugin/cacheControl"
import { startStandaloneServer } from "@apollo/server/standalone"
import responseCache from "@apollo/server-plugin-response-cache"
import { cacheSeconds, context, port, resolvers, typeDefs } from "./sources.mjs"

const plugins = [ApolloServerPluginCacheControl({ defaultMaxAge: cacheSeconds }), responseCache()]
const options = cacheSeconds ? { plugins } : {}
const server = new ApolloServer({ typeDefs, resolvers, introspection: false, ...options })
await startStandaloneServer(server, { listen: { port, host: "127.0.0.1" }, context: async () => context() })
