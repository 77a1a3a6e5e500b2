/** Ask the graph a saved query, and tell what the answer cost. */
import { lasting } from "./moments";
import { send } from "./requests";

export interface Answer<Data> {
  data: Data;
  /** The upstream calls that were made for it, and the rows that they brought. */
  calls: number;
  rows: number;
  /** When the oldest figure was read; null if no report was read. */
  readAt: Date | null;
}

interface MadeCall {
  requests: number;
  rows: number;
}

/** This server does not have the saved query: a subgraph has a part of them. */
export class Unknown extends Error {}

/** Run a saved query as the caller. */
export async function ask<Data>(documentId: string, variables: object = {}): Promise<Answer<Data>> {
  const response = await send("/graphql", {
    method: "POST",
    headers: { accept: "application/graphql-response+json, application/json", "content-type": "application/json" },
    body: JSON.stringify({ documentId, variables, extensions: { trace: true } }),
  });
  const answer = await response.json().catch(() => ({}));
  const error = answer.errors?.[0];
  if (error?.extensions?.code === "PERSISTED_QUERY_NOT_FOUND") throw new Unknown(error.message);
  if (!answer.data || error) throw new Error(error?.message ?? `The server answers ${response.status}.`);
  const made: MadeCall[] = answer.extensions?.trace ?? [];
  const age = response.headers.get("age");
  return {
    data: answer.data,
    calls: made.reduce((sum, call) => sum + call.requests, 0),
    rows: made.reduce((sum, call) => sum + call.rows, 0),
    readAt: age === null ? null : new Date(Date.now() - Number(age) * 1000),
  };
}

const counted = (count: number, one: string) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

/** Return what an answer cost and how old its oldest figure is, in a sentence. */
export function costs({ calls, rows, readAt }: Answer<unknown>): string {
  const cost = calls ? `${counted(calls, "upstream call")}, ${counted(rows, "row")}.` : `No upstream call: ${counted(rows, "row")} from the cache.`;
  return readAt ? `${cost} Oldest figure: ${lasting((Date.now() - readAt.getTime()) / 1000)} old.` : cost;
}
