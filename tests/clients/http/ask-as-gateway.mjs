// Ask a server as Apollo Gateway asks a subgraph with `apq: true`, twice, and print what it read and sent, as JSON lines.
import { RemoteGraphQLDataSource } from "@apollo/gateway";

const source = new RemoteGraphQLDataSource({ url: `${process.argv[2]}/graphql`, apq: true });
const { fetcher } = source;
let sent = [];
source.fetcher = async (url, options) => {
  const answer = await fetcher(url, options);
  sent.push({ method: options.method, text: options.body.includes("group(id"), status: answer.status });
  return answer;
};
for (const name of ["gateway", "gateway again"]) {
  sent = [];
  const { data } = await source.process({
    kind: "loading schema",
    request: { query: "query ByGateway($group: ID!) { group(id: $group) { id } }", variables: { group: "382" } },
    context: {},
  });
  console.log(JSON.stringify({ name, read: data, sent }));
}
