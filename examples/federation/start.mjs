// Start the graph with its sandbox, the second subgraph, and the gateway over both. Ctrl-C stops all of them.
//
// GRAPH_URL names a graph that runs already; CREDENTIAL is the `Authorization` that the gateway reads its schema with.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { startGateway } from './gateway.mjs';
import { startNotes } from './notes.mjs';

const port = Number(process.env.PORT ?? 4000);

async function startGraph() {
  if (process.env.GRAPH_URL) return { url: process.env.GRAPH_URL, stop() {} };
  const command = process.env.GAMEHUB_GRAPH ?? '../../.venv/bin/gamehub-graph';
  const graph = spawn(command, ['serve', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  graph.on('exit', (code) => process.exit(code ?? 1));
  for await (const line of createInterface({ input: graph.stdout })) {
    const url = line.match(/clients use (\S+)/)?.[1];
    if (url) return { url, stop: () => graph.kill() };
  }
  throw new Error('the graph did not start');
}

const graph = await startGraph();
const notes = await startNotes();
const subgraphs = [
  { name: 'gamehub', url: graph.url },
  { name: 'notes', url: notes.url },
];
const gateway = await startGateway(subgraphs, { port, credential: process.env.CREDENTIAL });
console.log(`The graph: ${graph.url}`);
console.log(`The notes: ${notes.url}`);
console.log(`The gateway over both: ${gateway.url}`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, graph.stop);
