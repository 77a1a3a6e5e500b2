// GraphQL Code Generator's client preset: the answer has the types of the schema.
import { graphql } from "./generated/gql";
import type { TypedDocumentString } from "./generated/graphql";

const address = process.env.GRAPH_URL ?? "http://127.0.0.1:8000/graphql";

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

async function ask<Answer, Variables>(document: TypedDocumentString<Answer, Variables>, variables: Variables) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  return ((await answer.json()) as { data: Answer }).data;
}

async function main() {
  const { group } = await ask(query, { id: "382", during: { frame: "YESTERDAY" } });
  const net: string | undefined = group?.transactions?.totals?.sums[0]?.net;
  console.log(JSON.stringify({ name: group?.name, users: group?.users?.nodes.map((user) => user.username), net }));
}

main();
