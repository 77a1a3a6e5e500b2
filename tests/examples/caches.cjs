// Write an answer into a client's cache and read it again, with the printed options and without them.
const { readFileSync } = require("node:fs");

const given = JSON.parse(readFileSync(0, "utf-8"));

function apollo(options) {
  const { gql, InMemoryCache } = require("@apollo/client");
  const query = gql(given.query);
  const cache = new InMemoryCache(options);
  cache.writeQuery({ query, data: given.data });
  return cache.readQuery({ query });
}

async function urql(options) {
  const { Client, fetchExchange } = require("@urql/core");
  const { cacheExchange } = require("@urql/exchange-graphcache");
  const answer = () => Promise.resolve(new Response(JSON.stringify({ data: given.data }), { headers: { "content-type": "application/json" } }));
  const client = new Client({ url: "http://localhost/graphql", fetch: answer, preferGetMethod: false, exchanges: [cacheExchange(options), fetchExchange] });
  const written = await client.query(given.query, {});
  if (written.error) throw written.error;
  return (await client.query(given.query, {}, { requestPolicy: "cache-only" })).data;
}

async function minified() {
  const { getIntrospectionQuery } = require("graphql");
  const { minifyIntrospectionQuery } = require("@urql/introspection");
  const body = JSON.stringify({ query: getIntrospectionQuery() });
  const answer = await fetch(given.address, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { data } = await answer.json();
  return { minified: minifyIntrospectionQuery(data), printed: require("./built/urql/generated/cache").schema };
}

async function main() {
  const options = { apollo: () => require("./apollo/generated/cache.json"), urql: () => require("./built/urql/generated/cache") };
  const ways = { apollo, urql };
  const [client] = process.argv.slice(2);
  const found =
    client === "minified"
      ? await minified()
      : { configured: await ways[client](options[client]()), unconfigured: await ways[client]({}) };
  console.log(JSON.stringify(found));
}

main();
