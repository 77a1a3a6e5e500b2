/** Send operations to the graph: GraphQL over HTTP, on the page's own origin. Each run notes what it cost. */
import type { Fetcher, FetcherOpts, FetcherParams } from "@graphiql/toolkit";
import { type ExecutionResult, getOperationAST, parse } from "graphql";
import { createClient, type RequestParams } from "graphql-sse";

import { at } from "../frame/address";
import { send as sendTo } from "../frame/requests";
import { type Facts, type Plan, type Problem, type Run, frontTab, note } from "./cost/run";

const ENDPOINT = "/graphql";
const ANSWERS = "application/graphql-response+json, application/json";
const TRACE = "x-graph-trace";
const EXPLAIN = "x-graph-explain";
const SHOWN = ["trace", "freshness", "stale", "complexity"] as const;

type Headers = FetcherOpts["headers"];
interface Answer {
  data?: unknown;
  errors?: readonly Problem[];
  extensions?: Facts;
}

const asksFor = (headers: Headers, name: string) => Object.keys(headers ?? {}).some((one) => one.toLowerCase() === name);

/** Post a request and return its answer, with the status, the time and the size of it. */
async function post(request: object, headers: Headers): Promise<{ answer: Answer; status: number; milliseconds: number; bytes: number }> {
  const began = performance.now();
  const ended = (status: number, bytes: number, answer: Answer) => ({ answer, status, bytes, milliseconds: performance.now() - began });
  let response: Response;
  let content: ArrayBuffer;
  try {
    response = await sendTo(ENDPOINT, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers, accept: ANSWERS },
      body: JSON.stringify(request),
    });
    content = await response.arrayBuffer();
  } catch (error) {
    return ended(0, 0, { errors: [{ message: error instanceof Error ? error.message : String(error) }] });
  }
  const text = new TextDecoder().decode(content);
  try {
    if (response.headers.get("content-type")?.includes("json")) {
      return ended(response.status, content.byteLength, JSON.parse(text) as Answer);
    }
  } catch {
    // cut off on its way
  }
  // A proxy's error page, most likely: say what came instead of failing on its first "<".
  const came = `${response.status} ${response.statusText}`.trim();
  return ended(response.status, content.byteLength, {
    errors: [{ message: `The server answered ${came}, which is not JSON: ${text.slice(0, 500)}` }],
  });
}

/** Take out of an answer what the page shows in words, unless the user asked for it himself. */
function withoutFacts(answer: Answer, keep: boolean): Facts {
  const facts: Facts = { ...answer.extensions };
  if (answer.extensions && !keep) {
    for (const name of SHOWN) {
      delete answer.extensions[name];
    }
    if (!Object.keys(answer.extensions).length) {
      delete answer.extensions;
    }
  }
  return facts;
}

function noteRun(tab: string, run: Omit<Run, "at" | "problems">, answer: Answer, keep: boolean): void {
  const { explain, ...facts } = withoutFacts(answer, keep);
  const found: Run = { ...run, ...facts, at: Date.now(), problems: answer.errors ?? [] };
  note(tab, { run: found, problems: found.problems, ...(explain ? { plan: explain } : {}) });
}

/** Send a query of the page itself and return its data. */
export async function ask(query: string, variables: object = {}, headers: Record<string, string> = {}): Promise<unknown> {
  const {
    answer: { data, errors },
  } = await post({ query, variables }, headers);
  if (errors?.[0]) throw new Error(errors[0].message);
  return data;
}

/**
 * GraphiQL learns the operations of a tab a moment after it shows the tab. An operation that is run at once would
 * carry the operation name of the previous tab, and the server would refuse it.
 */
function named({ query, operationName, ...rest }: FetcherParams): FetcherParams {
  const known = operationName && new RegExp(`\\b${operationName}\\b`).test(query);
  return { query, ...rest, ...(known ? { operationName } : {}) };
}

async function run(operation: FetcherParams, headers: Headers): Promise<ExecutionResult> {
  const tab = frontTab();
  const { answer, ...figures } = await post({ ...operation, extensions: { trace: true } }, headers);
  noteRun(tab, { ...figures, events: 0 }, answer, asksFor(headers, TRACE));
  return answer as ExecutionResult;
}

/** Receive the events of a subscription as Server-Sent Events. GraphiQL's stop button closes the stream. */
function subscribe(operation: FetcherParams, headers: Headers): AsyncIterableIterator<ExecutionResult> {
  const tab = frontTab();
  const client = createClient({ url: at(ENDPOINT), headers: { ...headers }, retryAttempts: 3 });
  const source = client.iterate({ ...operation, extensions: { trace: true } } as RequestParams) as AsyncGenerator<ExecutionResult>;
  const began = performance.now();
  let events = 0;
  let bytes = 0;
  // No generator of our own: it would not end before the next event.
  return {
    async next() {
      const event = await source.next();
      if (!event.done) {
        events += 1;
        bytes += JSON.stringify(event.value).length;
        noteRun(tab, { status: 200, milliseconds: performance.now() - began, bytes, events }, event.value as Answer, asksFor(headers, TRACE));
      }
      return event;
    },
    return: () => source.return(undefined),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Say whether an operation is a subscription. The editor parses a moment after the last key, so its document may be an older one. */
function subscribes({ query, operationName }: FetcherParams): boolean {
  try {
    return getOperationAST(parse(query), operationName)?.operation === "subscription";
  } catch {
    return false; // the server says what is wrong
  }
}

/** Send one operation and return its answer, or the answers of a subscription one after the other. */
export const send: Fetcher = async (request, options) => {
  const operation = named(request);
  if (options?.documentAST === undefined && operation.operationName === "IntrospectionQuery") {
    return (await post(operation, options?.headers)).answer as ExecutionResult;
  }
  return subscribes(operation) ? subscribe(operation, options?.headers) : run(operation, options?.headers);
};

/** Ask the server for the plan of an operation. It calls no upstream for that. */
export async function explain(request: FetcherParams, headers: Headers): Promise<void> {
  const tab = frontTab();
  note(tab, { planning: true });
  const extensions = asksFor(headers, EXPLAIN) ? {} : { explain: true };
  const { answer } = await post({ ...named(request), extensions }, headers);
  const plan: Plan | undefined = answer.extensions?.explain;
  note(tab, { planning: false, problems: answer.errors ?? [], ...(plan ? { plan } : {}) });
}
