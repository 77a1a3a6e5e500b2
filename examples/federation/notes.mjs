// The second subgraph: notes about users and games. It knows them by their ids alone.
import { readFileSync } from 'node:fs';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';

const typeDefs = parse(readFileSync(new URL('notes.graphql', import.meta.url), 'utf8'));

// Every user has one note, and those with an even id have two. A real subgraph would read a database here.
const notesOf = (kind, id) =>
  (Number(id) % 2 ? [1] : [1, 2]).map((number) => ({
    id: `${kind}-${id}-${number}`,
    nodeId: Buffer.from(JSON.stringify(['Note', `${kind}-${id}-${number}`])).toString('base64url'),
    text: `Note ${number} about ${kind} ${id}`,
    user: { __typename: 'User', id },
    writtenBy: 'staff',
  }));

function page(notes, { first, after }) {
  const from = after ? notes.findIndex((note) => note.id === after) + 1 : 0;
  const nodes = notes.slice(from, from + first);
  return {
    nodes,
    edges: nodes.map((node) => ({ cursor: node.id, node })),
    totalCount: notes.length,
    pageInfo: {
      hasNextPage: from + nodes.length < notes.length,
      hasPreviousPage: from > 0,
      startCursor: nodes.at(0)?.id ?? null,
      endCursor: nodes.at(-1)?.id ?? null,
    },
  };
}

const resolvers = {
  Node: { __resolveType: () => 'Note' },
  Query: { notes: (_, { users, ...window }) => page(users.flatMap((id) => notesOf('user', id)), window) },
  User: { notes: ({ id }, window) => page(notesOf('user', id), window) },
  Game: {
    notes: ({ id }, window) => page(notesOf('game', id), window),
    variant: ({ id }) => `The game ${id} of the house`,
  },
  Note: { __resolveReference: ({ id }) => ({ id, text: `Note ${id}` }) },
};

export async function startNotes(port = 0) {
  const logger = { debug() {}, info() {}, warn: console.warn, error: console.error };
  const server = new ApolloServer({ schema: buildSubgraphSchema({ typeDefs, resolvers }), logger });
  const { url } = await startStandaloneServer(server, { listen: { host: '127.0.0.1', port } });
  return { url, stop: () => server.stop() };
}
