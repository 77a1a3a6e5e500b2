/** The choices for an id, read through the graph with ordinary queries, as the caller and only when they are needed. */
import type { Facts, Kind } from "../facts";

export interface Choice {
  id: string;
  name: string;
  /** What tells it from others of the same name. */
  detail: string;
}

/** Send a query and return its data. */
export type Ask = (query: string, variables?: Record<string, unknown>) => Promise<any>;

/** As many as a list shows. */
const FIRST = 50;

/** How a row of each kind is named. The queries are those of the server: it knows which rows there are. */
const CHOICE: Record<Kind, (row: any) => Choice> = {
  Group: ({ id, name, type }) => ({ id, name: name ?? `Group ${id}`, detail: type ?? "" }),
  User: ({ id, username, group }) => ({ id, name: username ?? `User ${id}`, detail: group?.name ?? "" }),
  Room: ({ id, name }) => ({ id, name: name ?? `Room ${id}`, detail: "" }),
  Game: ({ id, startsAt, status, room }) => ({
    id,
    name: `${String(startsAt ?? "").slice(11, 16)} ${room?.name ?? ""}`.trim() || `Game ${id}`,
    detail: String(status ?? "").toLowerCase().replaceAll("_", " "),
  }),
};

/** What a reader of choices has read already. One for each caller: the page makes a new one for other headers. */
export class Choices {
  readonly #ask: Ask;
  readonly #queries: Facts["choices"];
  readonly #read = new Map<string, Promise<Choice[]>>();

  constructor(ask: Ask, queries: Facts["choices"]) {
    this.#ask = ask;
    this.#queries = queries;
  }

  /** The choices of a kind whose name, id or detail has a text. */
  async find(kind: Kind, text: string): Promise<Choice[]> {
    const queries = this.#queries[kind];
    if (!queries) return [];
    const wanted = text.trim().toLowerCase();
    if (queries.searches) {
      const named = this.#choices(kind, queries.all, { text: wanted || null });
      if (!/^\d+$/.test(wanted) || !queries.one) return named;
      const [byId, byName] = await Promise.all([this.#choices(kind, queries.one, { id: wanted }), named]);
      return [...byId, ...byName.filter(({ id }) => id !== wanted)];
    }
    const all = await this.#choices(kind, queries.all, {});
    return all.filter(({ id, name, detail }) => `${id} ${name} ${detail}`.toLowerCase().includes(wanted)).slice(0, FIRST);
  }

  /** The choice with an id; undefined if the caller sees none. */
  async one(kind: Kind, id: string): Promise<Choice | undefined> {
    const queries = this.#queries[kind];
    if (!queries) return undefined;
    const found = await (queries.one ? this.#choices(kind, queries.one, { id }) : this.#choices(kind, queries.all, {}));
    return found.find((choice) => choice.id === id);
  }

  #choices(kind: Kind, query: string, variables: Record<string, unknown>): Promise<Choice[]> {
    const key = query + JSON.stringify(variables);
    let reading = this.#read.get(key);
    if (!reading) {
      reading = this.#ask(query, variables).then(({ all, one }) => (all?.nodes ?? all ?? [one]).filter(Boolean).map(CHOICE[kind]));
      reading.catch(() => this.#read.delete(key)); // the next one tries again
      this.#read.set(key, reading);
    }
    return reading;
  }
}
