// Clients with their real packages subscribe. The test moves the data when this program prints a line with `move`.
import { createInterface } from "node:readline";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient as createEventClient } from "graphql-sse";
import { createClient as createSocketClient } from "graphql-ws";
import WebSocket from "ws";

const address = process.argv[2];
const group = process.argv[3];
const url = `${address}/graphql`;
const socketUrl = url.replace("http", "ws");
const JACKPOTS = "subscription Jackpots { progressiveJackpots { description value } }";
const ADDED = `subscription Added($group: ID!, $after: ID) {
  transactionAdded(groupId: $group, after: $after) { id nodeId amount }
}`;

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function move(what) {
  print({ move: what });
  return JSON.parse((await lines.next()).value);
}

// Receive a value, let it move, and receive the next one. `begin` gets the functions for data and errors.
async function jackpots(name, begin) {
  const values = [];
  const { promise, resolve, reject } = Promise.withResolvers?.() ?? deferred();
  const stop = begin(async (data) => {
    values.push(data.progressiveJackpots[0].value);
    if (values.length === 1) await move("jackpot");
    if (values.length === 2) resolve();
  }, reject);
  await promise;
  stop();
  print({ client: name, values });
}

function deferred() {
  const all = {};
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }));
  return all;
}

const sink = (next, error) => ({
  next: ({ data, errors }) => (errors ? error(new Error(JSON.stringify(errors))) : next(data)),
  error: (problem) => error(problem instanceof Error ? problem : new Error(JSON.stringify(problem))),
  complete: () => {},
});

function apollo(link) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return (next, error) => {
    const subscription = client.subscribe({ query: gql(JACKPOTS) }).subscribe({
      next: (found) => (found.error ? error(found.error) : next(found.data)),
      error,
    });
    return () => subscription.unsubscribe();
  };
}

function urql(options) {
  const client = new Client({ url, preferGetMethod: false, ...options });
  return (next, error) => {
    const { unsubscribe } = client
      .subscription(JACKPOTS, {})
      .subscribe((found) => (found.error ? error(found.error) : next(found.data)));
    return unsubscribe;
  };
}

const sockets = createSocketClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: { client: "test" } });
await jackpots("graphql-ws", (next, error) => sockets.subscribe({ query: JACKPOTS }, sink(next, error)));
await jackpots("Apollo Client, GraphQLWsLink", apollo(new GraphQLWsLink(sockets)));
await jackpots(
  "urql, subscriptionExchange",
  urql({
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (to) => ({ unsubscribe: sockets.subscribe({ ...request, query: request.query ?? "" }, to) }),
        }),
      }),
    ],
  }),
);
await sockets.dispose();

await jackpots("Apollo Client, HttpLink (multipart)", apollo(ApolloLink.from([new HttpLink({ uri: url })])));
await jackpots("urql, fetchSubscriptions", urql({ exchanges: [fetchExchange], fetchSubscriptions: true }));

for (const [name, options] of [
  ["graphql-sse, distinct connections", { url }],
  ["graphql-sse, single connection", { url: `${url}/stream`, singleConnection: true }],
]) {
  const events = createEventClient(options);
  await jackpots(name, (next, error) => events.subscribe({ query: JACKPOTS }, sink(next, error)));
  events.dispose();
}

// A connection breaks. The client connects again by itself, and goes on after the last transaction that it received.
{
  const client = createSocketClient({ url: socketUrl, webSocketImpl: WebSocket, retryWait: async () => {} });
  const payload = { query: ADDED, variables: { group } };
  const seen = [];
  let expected = await new Promise((resolve, reject) => {
    let booked = [];
    client.subscribe(
      payload,
      sink(async ({ transactionAdded }) => {
        seen.push(transactionAdded.id);
        payload.variables.after = transactionAdded.nodeId;
        if (seen.length === 1) {
          client.terminate();
          booked = [...booked, ...(await move("book"))];
        }
        if (booked.length && seen.length >= booked.length + 1) resolve(booked);
      }, reject),
    );
    move("book").then((ids) => print({ first: ids }));
  });
  expected = expected.map(String);
  print({ client: "graphql-ws, resumed", seen, expected });
  await client.dispose();
}
process.exit(0);
