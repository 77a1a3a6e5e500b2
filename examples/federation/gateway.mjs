// The gateway: it reads the schemas of its subgraphs when it starts, composes them, and serves both as one graph.
import { ApolloGateway, IntrospectAndCompose, RemoteGraphQLDataSource } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';

// The graph decides by the caller's credential which groups the caller sees, so the gateway sends it on.
const PASSED_ON = ['authorization', 'traceparent', 'tracestate', 'x-request-id', 'cache-control'];

class Subgraph extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    for (const [name, value] of Object.entries(context.headers ?? {})) request.http.headers.set(name, value);
  }
}

// `subgraphs` are { name, url }. `credential` is the value of `Authorization` for the gateway's own reading of schemas.
export async function startGateway(subgraphs, { port = 0, credential } = {}) {
  const gateway = new ApolloGateway({
    supergraphSdl: new IntrospectAndCompose({
      subgraphs,
      introspectionHeaders: credential ? { authorization: credential } : {},
    }),
    buildService: ({ url }) => new Subgraph({ url }),
    logger: { debug() {}, info() {}, warn: console.error, error: console.error },
  });
  const server = new ApolloServer({ gateway });
  const { url } = await startStandaloneServer(server, {
    listen: { host: '127.0.0.1', port },
    context: async ({ req }) => ({
      headers: Object.fromEntries(PASSED_ON.filter((name) => req.headers[name]).map((name) => [name, req.headers[name]])),
    }),
  });
  return { url, stop: () => server.stop() };
}
