/** Links that open a query with its variables. They never carry headers or keys. */
import type { SavedQuery } from "../saved/saved";
import { objectOf } from "../variables/json";

export interface Shared {
  query: string;
  /** The JSON of the variables. */
  variables: string;
}

/** Links above this length are cut by some mail and chat programs. */
export const LONG = 2000;
/** The server and most browsers refuse addresses above this length. */
export const TOO_LONG = 16_000;

/** The saved query that a text is, if it is unchanged. */
export function unchanged(query: string, saved: readonly SavedQuery[]): SavedQuery | undefined {
  return saved.find((one) => one.query.trim() === query.trim());
}

/** The address of a query with its variables: short for a saved query. */
export function linkTo({ query, variables }: Shared, saved: readonly SavedQuery[], origin: string): string {
  const one = unchanged(query, saved);
  const found = new URLSearchParams(one ? { saved: one.name } : { query });
  const values = objectOf(variables);
  if (values && Object.keys(values).length) found.set("variables", JSON.stringify(values));
  return `${origin}/?${found}`;
}

/** The query that an address shares; undefined if it shares none, or a saved one that is not there. */
export function sharedIn(search: string, saved: readonly SavedQuery[]): Shared | undefined {
  const given = new URLSearchParams(search);
  const one = saved.find(({ name }) => name === given.get("saved"));
  const query = given.get("query") ?? one?.query;
  if (!query) return undefined;
  const text = given.get("variables");
  const values = text === null ? one?.variables : objectOf(text);
  // What is no object is shown as it came, so that it can be mended.
  return { query, variables: values ? (Object.keys(values).length ? JSON.stringify(values, null, 2) : "") : (text ?? "") };
}

/** What the page says of an address that names a saved query that does not exist. */
export function unknownSaved(search: string, saved: readonly SavedQuery[]): string | undefined {
  const name = new URLSearchParams(search).get("saved");
  return name !== null && !saved.some((one) => one.name === name) ? name : undefined;
}

