/** The choices for an id, read through the graph with ordinary queries, as the caller and only when they are needed. */
import type { Kind } from "../facts";

export interface Choice {
  id: string;
  name: string;
  /** What tells it from others of the same name. */
  detail: string;
}

/** Send a query and return its data. */
export type Ask = (query: string, variables?: Record<string, unknown>) => Promise<any>;

interface Source {
  /** All choices, or those with a text in their name if `searches`. */
  all: string;
  /** The one with an id, for the name beside it. Without it, it is looked for in `all`. */
  one?: string;
  searches: boolean;
  choices(data: any): Choice[];
}

const FIRST = 50;

const group = ({ id, name, type }: any): Choice => ({ id, name: name ?? `Group ${id}`, detail: type ?? "" });
const user = ({ id, username, group }: any): Choice => ({ id, name: username ?? `User ${id}`, detail: group?.name ?? "" });
const room = ({ id, name }: any): Choice => ({ id, name: name ?? `Room ${id}`, detail: "" });
const game = ({ id, startsAt, status, room }: any): Choice => ({
  id,
  name: `${String(startsAt ?? "").slice(11, 16)} ${room?.name ?? ""}`.trim() || `Game ${id}`,
  detail: String(status ?? "").toLowerCase().replaceAll("_", " "),
});

/** Every kind of id that an argument may take. Which argument takes which: `/explorer/fields.json`. */
const SOURCES: Record<Kind, Source> = {
  Group: {
    all: "query Choices { groups(first: 1000) { nodes { id name type } } }",
    one: "query Choice($id: ID!) { group(id: $id) { id name type } }",
    searches: false,
    choices: (data) => (data?.groups?.nodes ?? [data?.group]).filter(Boolean).map(group),
  },
  User: {
    all: `query Choices($text: String) { users(username: $text, first: ${FIRST}) { nodes { id username group { name } } } }`,
    one: "query Choice($id: ID!) { user(id: $id) { id username group { name } } }",
    searches: true,
    choices: (data) => (data?.users?.nodes ?? [data?.user]).filter(Boolean).map(user),
  },
  Room: {
    all: "query Choices { rooms { id name } }",
    searches: false,
    choices: (data) => (data?.rooms ?? []).map(room),
  },
  Game: {
    all: "query Choices { games(first: 1000) { nodes { id startsAt status room { name } } } }",
    searches: false,
    choices: (data) => (data?.games?.nodes ?? []).map(game),
  },
};

/** What a reader of choices has read already. One for each caller: the page makes a new one for other headers. */
export class Choices {
  readonly #ask: Ask;
  readonly #read = new Map<string, Promise<Choice[]>>();

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** The choices of a kind whose name, id or detail has a text. */
  async find(kind: Kind, text: string): Promise<Choice[]> {
    const source = SOURCES[kind];
    const wanted = text.trim().toLowerCase();
    if (source.searches) {
      const named = this.#choices(source, source.all, { text: wanted || null });
      if (!/^\d+$/.test(wanted) || !source.one) return named;
      const [byId, byName] = await Promise.all([this.#choices(source, source.one, { id: wanted }), named]);
      return [...byId, ...byName.filter(({ id }) => id !== wanted)];
    }
    const all = await this.#choices(source, source.all, {});
    return all.filter(({ id, name, detail }) => `${id} ${name} ${detail}`.toLowerCase().includes(wanted)).slice(0, FIRST);
  }

  /** The choice with an id; undefined if the caller sees none. */
  async one(kind: Kind, id: string): Promise<Choice | undefined> {
    const source = SOURCES[kind];
    const found = await (source.one ? this.#choices(source, source.one, { id }) : this.#choices(source, source.all, {}));
    return found.find((choice) => choice.id === id);
  }

  #choices(source: Source, query: string, variables: Record<string, unknown>): Promise<Choice[]> {
    const key = query + JSON.stringify(variables);
    let reading = this.#read.get(key);
    if (!reading) {
      reading = this.#ask(query, variables).then((data) => source.choices(data));
      reading.catch(() => this.#read.delete(key)); // the next one tries again
      this.#read.set(key, reading);
    }
    return reading;
  }
}
