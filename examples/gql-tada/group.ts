// gql.tada: TypeScript itself reads the query, so nothing is generated for it.
import { Client, fetchExchange } from "@urql/core";
import { initGraphQLTada } from "gql.tada";
import type { introspection } from "./graphql-env";

const address = process.env.GRAPH_URL ?? "http://127.0.0.1:8000/graphql";

// Decimals are texts: a number of JavaScript would lose digits.
const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { Date: string; DateTime: string; Decimal: string };
}>();

const query = graphql(`
  query Group($id: ID!, $during: Period!) {
    group(id: $id) {
      name
      users(first: 4) {
        nodes {
          username
        }
      }
      transactions(during: $during, first: 1) {
        totals {
          sums {
            currency
            net
          }
        }
      }
    }
  }
`);

const client = new Client({ url: address, preferGetMethod: false, exchanges: [fetchExchange] });

async function main() {
  const { data } = await client.query(query, { id: "382", during: { frame: "YESTERDAY" } });
  const group = data?.group;
  const net: string | undefined = group?.transactions?.totals?.sums[0]?.net;
  console.log(JSON.stringify({ name: group?.name, users: group?.users?.nodes.map((user) => user.username), net }));
}

main();
