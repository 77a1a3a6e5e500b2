/** The requests of the page: a result line by line, an explanation, and a file. Each can be cancelled. */
import { at } from "../frame/address";

/** A value as the server wrote it: numbers keep every digit, because no number of JavaScript holds them. */
export type Cell = string | boolean | null | Cell[];

export interface ResultColumn {
  name: string;
  type: string;
}

/** A result. `rows` are its first rows; `count` and `bytes` count all of them. */
export interface Result {
  text: string;
  columns: ResultColumn[];
  rows: Cell[][];
  count: number;
  bytes: number;
  milliseconds: number;
}

/** A refusal of the server: its message as it was written, its code, and its status. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
  ) {
    super(message);
  }
}

const KEPT = 10_000;
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

async function send(text: string, query: string, signal?: AbortSignal): Promise<Response> {
  const answer = await fetch(at(`/sql${query}`), {
    method: "POST",
    body: text,
    headers: { accept: "application/json", "content-type": "application/sql" },
    ...(signal ? { signal } : {}),
  });
  if (answer.ok) return answer;
  const content = await answer.json().catch(() => ({}));
  const error = content.errors?.[0];
  throw new Refusal(error?.message ?? `The server answers ${answer.status}.`, error?.extensions?.code ?? "", answer.status);
}

/** Run a statement. `progress` is told the number of rows so far. */
export async function run(text: string, signal?: AbortSignal, progress: (count: number) => void = () => {}): Promise<Result> {
  const begun = performance.now();
  const reader = (await send(text, "?format=json", signal)).body!.getReader();
  const decoder = new TextDecoder();
  const result: Result = { text, columns: [], rows: [], count: 0, bytes: 0, milliseconds: 0 };
  let rest = "";
  let first = true;
  let whole = false;
  const line = (written: string) => {
    if (first) {
      result.columns = JSON.parse(`${written}]}`).columns;
      first = false;
    } else if (written === "]}") {
      whole = true;
    } else if (written) {
      result.count += 1;
      if (result.rows.length < KEPT) result.rows.push(cells(written.replace(/,$/, "")));
    }
  };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    result.bytes += value.length;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop()!;
    lines.forEach(line);
    progress(result.count);
  }
  if (rest) line(rest);
  if (!whole) throw new Refusal("The result ended before its end. NDJSON says why in its last line.", "", 200);
  result.milliseconds = performance.now() - begun;
  return result;
}

/** The cells of a line. Every number stays the text that it is. */
function cells(line: string): Cell[] {
  return JSON.parse(line.replace(TOKENS, (token) => (token.startsWith('"') ? token : `"${token}"`)));
}

/** What the server says that a statement would read. */
export interface Explanation {
  calls: number;
  fewest: number;
  most: number;
  held: number;
  rows: number;
  depends: boolean;
  files: { needed: number; there: number; foreseen: number };
  tables: ExplainedTable[];
}

export interface ExplainedTable {
  table: string;
  columns: string[];
  filters: string[];
  keys: Record<string, string[]>;
  days: { from: string; to: string }[];
  document?: string;
  calls: number;
  plan: {
    report: string;
    type: string;
    parameters: Record<string, unknown>;
    from?: string;
    until?: string;
    calls: number;
    held: number;
    rows: number;
  }[];
}

export async function explain(text: string, signal?: AbortSignal): Promise<Explanation> {
  return (await send(text, "?explain=1", signal)).json();
}

/** The whole result in a format, as a file. */
export async function file(text: string, form: string, signal?: AbortSignal): Promise<Blob> {
  return (await send(text, `?format=${form}`, signal)).blob();
}
