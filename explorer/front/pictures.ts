/** Today in pictures. Each is a saved query, and leads to it in the explorer and to its table. */
import { at } from "../frame/address";
import { element } from "../frame/element";
import { type Answer, Unknown, ask, costs } from "../frame/graph";
import { type Line, barTable, grouped } from "./bars";

/** The daily report is asked once for each group. For more groups than these, the page asks first. */
const MOST_GROUPS = 40;
const MOST_LINES = 8;

interface Picture<Data> {
  /** The name of the saved query, which is the name of its table, too. */
  name: string;
  title: string;
  lead: string;
  variables: object;
  /** The parameters of the table that say the same. */
  parameters: string;
  /** What the files hold, if that is a part of the picture. */
  files?: string;
  drawn: (data: Data) => HTMLElement;
  /** Return what the reader should know before the query is run; null if it is small enough. */
  warning?: () => Promise<string | null>;
}

interface Group {
  id: string;
  name: string | null;
  dailyMovements: { date: string; totalWagers: string; net: string; currency: string | null }[] | null;
}

interface Room {
  id: string;
  name: string | null;
  gamesOnSale: { id: string; startsAt: string; status: string; cardPrice: string | null; cardsBought: number | null }[] | null;
}

interface Jackpot {
  description: string;
  value: string;
  valueMax: string | null;
}

const nothing = (text: string) => element("p", { class: "note" }, text);
const more = (left: number, what: string) => left > 0 && nothing(`${left} more ${what} are in the table.`);

/** Return a day of a clock, some days ago, as in "2026-03-01". */
function day(zone: string, ago: number): string {
  const [year, month, date] = new Intl.DateTimeFormat("en-CA", { timeZone: zone }).format(new Date()).split("-").map(Number);
  return new Date(Date.UTC(year!, month! - 1, date! - ago)).toISOString().slice(0, 10);
}

async function manyGroups(): Promise<string | null> {
  const { groups } = (await ask<{ groups: { totalCount: number } }>("Groups")).data;
  const count = groups.totalCount;
  return count > MOST_GROUPS ? `There are ${count.toLocaleString("en")} groups, and each takes an upstream call or more.` : null;
}

/** Say what the group with the highest wagers won. */
function largest(name: string, of: { net: string; currency: string | null } | undefined): HTMLElement | undefined {
  if (!of) return undefined;
  const [verb, amount] = of.net.startsWith("-") ? ["lost", of.net.slice(1)] : ["won", of.net];
  return element("p", { class: "answer" }, `Yesterday the largest group, ${name}, ${verb} `, element("b", {}, grouped(amount)), ` ${of.currency ?? ""}.`);
}

function nets(zone: string): Picture<{ groups: { nodes: Group[] } }> {
  const yesterday = day(zone, 1);
  const today = day(zone, 0);
  return {
    name: "NetPerGroup",
    title: "What each group won",
    lead: `Net of yesterday (${yesterday}) and of today so far, the group with the highest wagers first.`,
    variables: { during: { dates: { from: yesterday, to: today } } },
    parameters: "period=yesterday",
    files: " of yesterday",
    warning: manyGroups,
    drawn: ({ groups }) => {
      const found = groups.nodes.map(({ name, id, dailyMovements }) => {
        const of = (date: string) => dailyMovements?.find((one) => one.date === date);
        return { name: name ?? id, before: of(yesterday), now: of(today) };
      });
      const active = found.filter(({ before, now }) => before ?? now);
      active.sort((a, b) => Number(b.before?.totalWagers ?? 0) - Number(a.before?.totalWagers ?? 0));
      if (!active.length) return nothing("No group had a movement yesterday or today.");
      const money = (text: string | undefined) => (text === undefined ? "–" : grouped(text));
      const lines = active.slice(0, MOST_LINES).map(({ name, before, now }): Line => ({
        name,
        bars: [before?.net ?? null, now?.net ?? null],
        cells: [money(before?.net), money(now?.net), money(before?.totalWagers), (before ?? now)?.currency ?? "unknown"],
      }));
      const quiet = found.length - active.length;
      return element(
        "div",
        {},
        largest(lines[0]!.name as string, active[0]!.before),
        barTable("Net per group", ["Group", "Net: yesterday above, today below", "Net yesterday", "Net today", "Wagers yesterday", "Currency"], [2, 3, 4], lines),
        more(active.length - lines.length, "groups"),
        quiet > 0 && nothing(`${quiet} of ${found.length} groups had no movement.`),
      );
    },
  };
}

function sales(zone: string): Picture<{ rooms: Room[] }> {
  const time = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  return {
    name: "GamesOnSaleNow",
    title: "Games on sale",
    lead: `The next games of all rooms, and the cards that were bought for them. Times in ${zone}.`,
    variables: {},
    parameters: "",
    drawn: ({ rooms }) => {
      const games = rooms.flatMap((room) => (room.gamesOnSale ?? []).map((game) => ({ ...game, room: room.name ?? room.id })));
      games.sort((a, b) => a.startsAt.localeCompare(b.startsAt));
      if (!games.length) return nothing("No game is on sale.");
      const lines = games.slice(0, MOST_LINES).map((game): Line => ({
        name: `${time.format(new Date(game.startsAt))} ${game.room}`,
        bars: [String(game.cardsBought ?? 0)],
        cells: [String(game.cardsBought ?? "unknown"), game.cardPrice ?? "unknown", game.status.toLowerCase()],
      }));
      return element(
        "div",
        {},
        barTable("Games on sale", ["Game", "Cards bought", "Cards", "Card price", "Status"], [2, 3], lines),
        more(games.length - lines.length, "games"),
      );
    },
  };
}

function jackpots(): Picture<{ progressiveJackpots: Jackpot[] }> {
  return {
    name: "ProgressiveJackpots",
    title: "Jackpots",
    lead: "What the progressive jackpots stand at, as players see it.",
    variables: {},
    parameters: "",
    drawn: ({ progressiveJackpots }) => {
      if (!progressiveJackpots.length) return nothing("There is no progressive jackpot.");
      const lines = progressiveJackpots.slice(0, MOST_LINES).map(({ description, value, valueMax }): Line => ({
        name: description,
        bars: [value],
        cells: [grouped(value), valueMax === null ? "none" : grouped(valueMax)],
      }));
      return element(
        "div",
        {},
        barTable("Jackpots", ["Jackpot", "Value", "Value now", "At most"], [2, 3], lines),
        more(progressiveJackpots.length - lines.length, "jackpots"),
      );
    },
  };
}

/** The links of a picture: its query with the same variables, its table, and the whole of it as a file. */
function links<Data>({ name, variables, parameters, files = "" }: Picture<Data>): HTMLElement {
  const rest = parameters && `?${parameters}`;
  const query = new URLSearchParams({ saved: name, ...(Object.keys(variables).length ? { variables: JSON.stringify(variables) } : {}) });
  return element(
    "p",
    { class: "downloads" },
    element("a", { href: at(`/?${query}`) }, "Query and its cost"),
    element("a", { href: at(`/tables/${name}${rest}`) }, "Table and charts"),
    element("a", { href: at(`/tables/${name}.csv${rest}`), download: true }, `CSV${files}`),
    element("a", { href: at(`/tables/${name}.xlsx${rest}`), download: true }, `Excel${files}`),
  );
}

function framed<Data>(picture: Picture<Data>): HTMLElement {
  const place = element("div", { class: "place", "aria-busy": "true" }, element("p", { class: "note" }, "Reading …"));
  const cost = element("p", { class: "cost", role: "status" });
  const again = (text: string) => element("button", { type: "button", click: () => void show(true) }, text);
  async function show(wanted = false) {
    place.setAttribute("aria-busy", "true");
    cost.textContent = "";
    try {
      const warning = wanted ? null : await picture.warning?.();
      if (warning) {
        place.replaceChildren(element("p", {}, warning), again("Read them"));
      } else {
        const answer: Answer<Data> = await ask<Data>(picture.name, picture.variables);
        place.replaceChildren(picture.drawn(answer.data));
        cost.textContent = `Cost: ${costs(answer)}`;
      }
    } catch (error) {
      if (error instanceof Unknown) return card.remove();
      const message = error instanceof Error ? error.message : String(error);
      place.replaceChildren(element("p", { class: "failed", role: "alert" }, message), again("Try again"));
    }
    place.removeAttribute("aria-busy");
  }
  const card = element("section", { id: picture.name, class: "picture-card" }, element("h3", {}, picture.title), element("p", { class: "note" }, picture.lead), place, cost, links(picture));
  void show();
  return card;
}

/** Return the pictures, with the days and times of a zone. */
export function pictures(zone: string): HTMLElement[] {
  return [framed(nets(zone)), framed(sales(zone)), framed(jackpots())];
}
