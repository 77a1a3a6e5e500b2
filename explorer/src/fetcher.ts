/** Send operations to the graph: GraphQL over HTTP, on the page's own origin. */
import type { Fetcher, FetcherOpts, FetcherParams } from "@graphiql/toolkit";
import { type DocumentNode, type ExecutionResult, getOperationAST, GraphQLError } from "graphql";
import { createClient, type RequestParams } from "graphql-sse";

const ENDPOINT = "/graphql";
const ANSWERS = "application/graphql-response+json, application/json";

async function post(request: FetcherParams, headers: FetcherOpts["headers"]): Promise<ExecutionResult> {
  const response = await fetch(ENDPOINT, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers, accept: ANSWERS },
    body: JSON.stringify(request),
  });
  const text = await response.text();
  if (response.headers.get("content-type")?.includes("json")) {
    return JSON.parse(text) as ExecutionResult;
  }
  // A proxy's error page, most likely: say what came instead of failing on its first "<".
  const came = `${response.status} ${response.statusText}`.trim();
  return { errors: [new GraphQLError(`The server answered ${came}, which is not JSON: ${text.slice(0, 500)}`)] };
}

/** Send a query of the page itself and return its data. */
export async function ask(query: string, variables: object = {}, headers: Record<string, string> = {}): Promise<unknown> {
  const { data, errors } = await post({ query, variables }, headers);
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

/** Receive the events of a subscription as Server-Sent Events. GraphiQL's stop button closes the stream. */
function subscribe(request: FetcherParams, headers: FetcherOpts["headers"]): AsyncGenerator<ExecutionResult> {
  const client = createClient({ url: ENDPOINT, headers: { ...headers }, retryAttempts: 3 });
  return client.iterate(request as RequestParams) as AsyncGenerator<ExecutionResult>;
}

function subscribes({ operationName }: FetcherParams, document?: DocumentNode): boolean {
  return document !== undefined && getOperationAST(document, operationName)?.operation === "subscription";
}

/** Send one operation and return its answer, or the answers of a subscription one after the other. */
export const send: Fetcher = (request, options) => {
  const operation = named(request);
  return subscribes(operation, options?.documentAST) ? subscribe(operation, options?.headers) : post(operation, options?.headers);
};
