// Ask a server with Apollo Client and urql, and print what they read and what they sent, as JSON lines. The arguments are
// the address, and a manifest that the server knows.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { BatchHttpLink } from "@apollo/client/link/batch-http";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

const [address, manifest] = process.argv.slice(2);
const uri = `${address}/graphql`;
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

let sent = [];
async function recording(url, options) {
  const answer = await fetch(url, options);
  const asked = options.method === "GET" ? new URL(url).searchParams.get("query") : options.body;
  const cache = answer.headers.get("cache-control");
  sent.push({
    method: options.method,
    text: (asked ?? "").includes("group(id"),
    status: answer.status,
    ...(options.method === "GET" && answer.status === 200 ? { tag: answer.headers.has("etag"), cache } : {}),
  });
  return answer;
}

async function report(name, ask) {
  sent = [];
  let read;
  try {
    read = await ask();
  } catch (error) {
    read = `${error.name}: ${error.message}`;
  }
  console.log(JSON.stringify({ name, read, sent }));
}

const apollo = (link) =>
  new ApolloClient({ link, cache: new InMemoryCache(), defaultOptions: { query: { fetchPolicy: "no-cache" } } });
const read = async (client, query, variables = { group: "382" }) => (await client.query({ query, variables })).data;

// Each client has a document of its own, which the server has to learn.
const document = (name) => gql(`query ${name}($group: ID!) { group(id: $group) { id name } }`);
const http = new HttpLink({ uri, fetch: recording });

const posting = apollo(new PersistedQueryLink({ sha256 }).concat(http));
await report("apollo by POST", () => read(posting, document("ByPost")));
await report("apollo by POST again", () => read(posting, document("ByPost")));

const getting = apollo(new PersistedQueryLink({ sha256, useGETForHashedQueries: true }).concat(http));
await report("apollo by GET", () => read(getting, document("ByGet")));
await report("apollo by GET again", () => read(getting, document("ByGet")));

const ids = generatePersistedQueryIdsFromManifest({
  loadManifest: async () => JSON.parse(readFileSync(manifest, "utf-8")),
});
const listed = apollo(new PersistedQueryLink(ids).concat(http));
const fragment = gql`
  query GroupName($group: ID!) {
    group(id: $group) {
      ...Named
    }
  }
  fragment Named on Group {
    id
    name
  }
`;
await report("apollo with a manifest", () => read(listed, fragment));

const batching = apollo(new BatchHttpLink({ uri, fetch: recording, batchInterval: 5 }));
await report("apollo in a batch", () =>
  Promise.all(
    ["A", "B", "C"].map((name) =>
      read(batching, document(name), { group: name === "B" ? "x" : "382" }).catch((error) => error.message),
    ),
  ),
);

const urql = (options) => {
  const exchanges = [persistedExchange({ enforcePersistedQueries: false, ...options }), fetchExchange];
  return new Client({ url: uri, fetch: recording, exchanges, requestPolicy: "network-only", preferGetMethod: false });
};
const ask = async (client, name) => {
  const answer = await client.query(`query ${name}($group: ID!) { group(id: $group) { id name } }`, { group: "382" });
  return answer.error?.message ?? answer.data;
};
const plain = urql({ preferGetForPersistedQueries: false });
await report("urql by POST", () => ask(plain, "UrqlByPost"));
await report("urql by POST again", () => ask(plain, "UrqlByPost"));
const cached = urql({ preferGetForPersistedQueries: true });
await report("urql by GET", () => ask(cached, "UrqlByGet"));
await report("urql by GET again", () => ask(cached, "UrqlByGet"));

await report("fetch, compressed", async () => {
  const query = "{ group(id: 382) { users(first: 50) { nodes { id username } } } }";
  const headers = { "content-type": "application/json" };
  const answer = await fetch(uri, { method: "POST", headers, body: JSON.stringify({ query }) });
  return [answer.headers.get("content-encoding"), (await answer.json()).data.group.users.nodes.length];
});
