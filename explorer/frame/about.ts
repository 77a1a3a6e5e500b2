/** `/explorer/about.json`: the server, its data, its health, and the caller that asks. */
import { load } from "./requests";

export interface About {
  /** Whether the figures are made up. */
  data: "sandbox" | "live";
  /** Whether callers need a credential. */
  authentication: boolean;
  /** What follows is for callers with the permission `explore` or `tables`; null for others. */
  caller: Caller | null;
  version: string | null;
  /** The business zone, as in "Europe/Madrid". */
  zone: string | null;
  limits: Limits | null;
  upstreams: UpstreamHealth[] | null;
  cache: CacheHealth | null;
}

export interface Caller {
  name: string;
  /** The groups that the caller sees; null for all of them. */
  groups: number[] | null;
  permissions: string[];
  /** Whether the browser keeps the caller's key for the session (`/login`). */
  session: boolean;
}

/** What an operation may be; null where nothing is limited. */
export interface Limits {
  depth: number;
  fields: number;
  rootFields: number;
  aliases: number;
  tokens: number;
  nodes: number | null;
  answerBytes: number | null;
  seconds: number;
  calls: number | null;
  rows: number | null;
  requestsPerMinute: number | null;
  callsPerMinute: number | null;
}

export interface UpstreamHealth {
  name: string;
  sandbox: boolean;
  /** What is wrong, in a sentence; null if nothing is. */
  wrong: string | null;
  /** The seconds since this was seen; null if the system is not configured. */
  age: number | null;
}

export interface CacheHealth {
  store: "memory" | "redis" | "off";
  entries: number;
  bytes: number;
  limit: number | null;
  wrong: string | null;
}

let asked: Promise<About> | undefined;

/** Return what the server says about itself. One request for all parts of a page. */
export function about(): Promise<About> {
  return (asked ??= load<About>("/explorer/about.json"));
}
