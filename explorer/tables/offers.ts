/** Offer the groups, rooms and users that the caller sees as values of a parameter, by their names. */
import { about } from "../frame/about";
import { element } from "../frame/element";
import { send } from "../frame/requests";
import { type Kind, NO_FACTS, readFacts } from "../src/facts";
import { type Ask, Choices } from "../src/variables/choices";

/** What the parameters of tables name. A parameter has the name of its kind. */
const KINDS: Record<string, Kind> = { group: "Group", room: "Room", user: "User" };

const ask: Ask = async (query, variables) => {
  const answer = await send("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  return (await answer.json()).data ?? {};
};

/** Return the choices; none for a caller who may not query the graph. */
async function read(): Promise<Choices> {
  const { caller } = await about();
  const facts = caller?.permissions.includes("explore") ? await readFacts() : NO_FACTS;
  return new Choices(ask, facts.choices);
}

let reading: Promise<Choices> | undefined;

/**
 * Return the list of a field, which is filled when the field is entered or typed into. An id that is not in the list may
 * be typed as well.
 */
export function offers(name: string, input: HTMLInputElement): HTMLElement | undefined {
  const kind = KINDS[name];
  if (!kind) return undefined;
  const list = element("datalist", { id: `offers-${name}` });
  input.setAttribute("list", list.id);
  let last = 0;
  async function fill(text: string) {
    const number = ++last;
    reading ??= read();
    const found = await reading.then((choices) => choices.find(kind!, text)).catch(() => []);
    if (number !== last) return;
    list.replaceChildren(...found.map(({ id, name, detail }) => element("option", { value: id }, detail ? `${name}, ${detail}` : name)));
  }
  input.addEventListener("focus", () => void fill(""));
  input.addEventListener("input", () => void fill(input.value.split(",").pop() ?? ""));
  return list;
}
