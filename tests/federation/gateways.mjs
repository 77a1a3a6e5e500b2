// Start gateways as stdin describes them: `{ name: { kind, subgraphs: [{ name, url, document }] } }`. A subgraph without
// an address is the second subgraph of the example, which is started here. Print the addresses, and end with stdin.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createGatewayRuntime } from '@graphql-hive/gateway';
import { unifiedGraphHandler } from '@graphql-hive/router-runtime';
import { composeServices } from '@theguild/federation-composition';
import { parse } from 'graphql';
import { startGateway } from './example/gateway.mjs';
import { startNotes } from './example/notes.mjs';

const PASSED_ON = ['authorization', 'traceparent'];
const { CREDENTIAL: credential } = process.env;

async function listening(server) {
  server.listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  return `http://127.0.0.1:${server.address().port}`;
}

async function hive(subgraphs, options) {
  const services = subgraphs.map(({ name, url, document }) => ({ name, url, typeDefs: parse(document) }));
  const { supergraphSdl, errors } = composeServices(services);
  if (!supergraphSdl) throw new Error(errors.map((error) => error.message).join('\n'));
  const gateway = createGatewayRuntime({
    supergraph: supergraphSdl,
    logging: false,
    propagateHeaders: {
      fromClientToSubgraphs: ({ request }) =>
        Object.fromEntries(PASSED_ON.flatMap((name) => (request.headers.get(name) ? [[name, request.headers.get(name)]] : []))),
    },
    ...options,
  });
  return `${await listening(createServer(gateway))}/graphql`;
}

// The command of Grafbase's package runs its Rust gateway over local schemas.
async function grafbase(subgraphs, folder) {
  mkdirSync(folder);
  const server = createServer();
  const { port } = new URL(await listening(server));
  await new Promise((done) => server.close(done));
  const lines = ['[graph]', 'introspection = true'];
  for (const { name, url, document } of subgraphs) {
    writeFileSync(`${folder}/${name}.graphql`, document);
    lines.push(`[subgraphs.${name}]`, `url = "${url}"`, `schema_path = "${name}.graphql"`);
    for (const header of PASSED_ON) lines.push(`[[subgraphs.${name}.headers]]`, 'rule = "forward"', `name = "${header}"`);
  }
  writeFileSync(`${folder}/grafbase.toml`, lines.join('\n'));
  const command = new URL('node_modules/@grafbase/cli-x86_64-unknown-linux-musl/grafbase', import.meta.url).pathname;
  const gateway = spawn(command, ['dev', '-p', port, '-c', 'grafbase.toml'], { cwd: folder, stdio: ['ignore', 'ignore', 'ignore'] });
  process.on('exit', () => gateway.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}/graphql`;
  while (gateway.exitCode === null) {
    const body = JSON.stringify({ query: '{ __typename }' });
    const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } }).catch(() => null);
    if (answer?.ok) return url;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`grafbase ended: ${gateway.exitCode}`);
}

const KINDS = {
  apollo: async (subgraphs) => (await startGateway(subgraphs, { credential })).url,
  hive: (subgraphs) => hive(subgraphs, {}),
  'hive-rust': (subgraphs) => hive(subgraphs, { unifiedGraphHandler }),
  grafbase,
};

let given = '';
process.stdin.on('data', (part) => {
  given += part;
  if (given.endsWith('\n')) start(JSON.parse(given));
});
process.stdin.on('end', () => process.exit());

async function start(gateways) {
  const notes = await startNotes();
  const urls = {};
  for (const [name, { kind, subgraphs }] of Object.entries(gateways)) {
    urls[name] = await KINDS[kind](subgraphs.map((subgraph) => ({ url: notes.url, ...subgraph })), name);
  }
  console.log(JSON.stringify(urls));
}
