// Relay: the users of a group, page by page. Pages are read again through `node(nodeId:)`.
import {
  Environment,
  fetchQuery,
  getFragment,
  getSingularSelector,
  graphql,
  Network,
  RecordSource,
  Store,
  type SingularReaderSelector,
} from "relay-runtime";
import type { groupQuery } from "./__generated__/groupQuery.graphql";
import pageQuery, { type groupUsersQuery } from "./__generated__/groupUsersQuery.graphql";
import type { group_users$data } from "./__generated__/group_users.graphql";

const address = process.env.GRAPH_URL ?? "http://127.0.0.1:8000/graphql";

const environment = new Environment({
  network: Network.create(async ({ text }, variables) => {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: text, variables }),
    });
    return answer.json();
  }),
  store: new Store(new RecordSource()),
  // `nodeId` is unique over all types; `id` only within its type.
  getDataID: (object) => object.nodeId,
});

const query = graphql`
  query groupQuery($id: ID!) {
    group(id: $id) {
      id
      nodeId
      name
      ...group_users
    }
  }
`;

const usersFragment = graphql`
  fragment group_users on Group
  @refetchable(queryName: "groupUsersQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 2 }, after: { type: "String" }) {
    users(first: $first, after: $after) @connection(key: "group_users") {
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
`;

async function main() {
  const group = (await fetchQuery<groupQuery>(environment, query, { id: "382" }).toPromise())!.group!;
  // What `usePaginationFragment` does in React: read the fragment, and fetch the next page through `node`.
  const selector = getSingularSelector(getFragment(usersFragment), group) as SingularReaderSelector;
  const users = () => (environment.lookup(selector).data as unknown as group_users$data).users!;
  const variables = { nodeId: group.nodeId, first: 2, after: users().pageInfo.endCursor };
  await fetchQuery<groupUsersQuery>(environment, pageQuery, variables).toPromise();
  console.log(JSON.stringify({ name: group.name, users: users().edges.map((edge) => edge.node.username) }));
}

main();
