// Apollo Client: the users of a group, page by page, in one list of the cache.
import { ApolloClient, gql, HttpLink, InMemoryCache, type TypedDocumentNode } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";
import graph from "./generated/cache.json";

const address = process.env.GRAPH_URL ?? "http://127.0.0.1:8000/graphql";

const client = new ApolloClient({
  link: new HttpLink({ uri: address }),
  cache: new InMemoryCache({
    possibleTypes: graph.possibleTypes,
    typePolicies: {
      ...(graph.typePolicies as Record<string, { keyFields: false }>),
      Group: { fields: { users: relayStylePagination(["username"]) } },
    },
  }),
  clientAwareness: { name: "examples", version: "1.0" },
});

interface Answer {
  group: {
    id: string;
    name: string;
    users: { edges: { node: { id: string; username: string } }[]; pageInfo: { endCursor: string } };
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
  const first = await client.query({ query, variables: { id: "382" } });
  // As `fetchMore` does: the cache answers for the whole list, so the next page is asked of the server.
  const after = first.data!.group.users.pageInfo.endCursor;
  await client.query({ query, variables: { id: "382", after }, fetchPolicy: "network-only" });
  const { group } = client.readQuery({ query, variables: { id: "382" } })!;
  console.log(JSON.stringify({ name: group.name, users: group.users.edges.map(({ node }) => node.username) }));
}

main();
