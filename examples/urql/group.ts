// urql with Graphcache: the users of a group, page by page, in one list of the cache.
import { Client, fetchExchange, gql, type TypedDocumentNode } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { keys, schema } from "./generated/cache";

const address = process.env.GRAPH_URL ?? "http://127.0.0.1:8000/graphql";

const client = new Client({
  url: address,
  preferGetMethod: false,
  exchanges: [cacheExchange({ schema, keys, resolvers: { Group: { users: relayPagination() } } }), fetchExchange],
});

interface Answer {
  group: {
    name: string;
    users: { edges: { node: { username: string } }[]; pageInfo: { endCursor: string } };
  };
}

const query: TypedDocumentNode<Answer, { id: string; after?: string }> = gql`
  query Group($id: ID!, $after: String) {
    group(id: $id) {
      id
      name
      users(first: 2, after: $after) {
        edges {
          node {
            id
            username
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`;

async function main() {
  const first = await client.query(query, { id: "382" });
  const after = first.data!.group.users.pageInfo.endCursor;
  const both = await client.query(query, { id: "382", after });
  const { group } = both.data!;
  console.log(JSON.stringify({ name: group.name, users: group.users.edges.map(({ node }) => node.username) }));
}

main();
