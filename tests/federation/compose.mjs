// Compose sets of subgraphs, `{ set: { name: document } }` on stdin, with two libraries. Print what each library says of
// each set, and the schema that clients see.
import { readFileSync } from 'node:fs';
import { composeServices } from '@apollo/composition';
import internals from '@apollo/federation-internals';
import { composeServices as composeWithGuild } from '@theguild/federation-composition';
import { lexicographicSortSchema, parse, printSchema } from 'graphql';

function composed(compose, subgraphs) {
  const services = Object.entries(subgraphs).map(([name, text]) => ({
    name,
    url: `http://localhost/${name}`,
    typeDefs: parse(text),
  }));
  const { errors, supergraphSdl } = compose(services);
  if (!supergraphSdl) return { errors: errors.map((error) => error.message) };
  const schema = internals.Supergraph.build(supergraphSdl).apiSchema().toGraphQLJSSchema();
  return { errors: [], supergraph: supergraphSdl, api: printSchema(lexicographicSortSchema(schema)) };
}

const found = {};
for (const [set, subgraphs] of Object.entries(JSON.parse(readFileSync(0, 'utf8')))) {
  found[set] = { apollo: composed(composeServices, subgraphs), guild: composed(composeWithGuild, subgraphs) };
}
console.log(JSON.stringify(found));
