// Both upstreams as a user would call them from Node: undici with keep-alive, JSON.parse, one DataLoader a report.
// Rows are mapped once to what the schema's default resolvers read. Money is formatted by toFixed(2), which is exact for
// the upstream's two decimals; with EXACT=1 it is read as text, so that it would be exact for any number of them.
import { readFileSync } from "node:fs"
import DataLoader from "dataloader"
import { parse } from "lossless-json"
import { Agent, request } from "undici"

export const typeDefs = readFileSync(new URL("../schema.graphql", import.meta.url), "utf8")
export const port = Number(process.env.PORT)
export const cacheSeconds = Number(process.env.CACHE_SECONDS ?? 0) // of the server's own response cache; 0: none

const { GAMEHUB_URL, GAMEHUB_TOKEN, GAMELOG_URL, GAMELOG_AGENT_CODE, GAMELOG_AGENT_TOKEN } = process.env
export const PAGE = 10_000
const wholeOrText = (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text)
const parsed = process.env.EXACT ? (text) => parse(text, undefined, wholeOrText) : JSON.parse
const dispatcher = new Agent({ keepAliveTimeout: 60_000, connections: 64 })

const json = async (url, options) => {
  const { statusCode, body } = await request(url, { dispatcher, ...options })
  const text = await body.text()
  if (statusCode !== 200) throw new Error(`the upstream answered ${statusCode}`)
  return parsed(text)
}

const report = async (kind, params) => {
  const query = new URLSearchParams({ api_token: GAMEHUB_TOKEN, report_type: kind, ...params })
  return (await json(`${GAMEHUB_URL}reports/?${query}`)).report
}

// The four calls. Hive Gateway has its own, which its declared sources make.
export const calls = {
  groups: (id) => report("api_groups_report", { id }),
  users: (group) => report("api_users_report", { fkgroup: group }),
  movements: (group, { from, to }) => {
    const frame = { timestamp: "range", timestamp_range_from: from, timestamp_range_to: to }
    return report("api_retail_movements", { group_id: group, ...frame })
  },
  logPage: ({ from, to }, page) =>
    json(GAMELOG_URL, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        method: "get_game_log",
        agent_code: GAMELOG_AGENT_CODE,
        agent_token: GAMELOG_AGENT_TOKEN,
        game_type: "slot",
        start: `${from} 00:00:00`,
        end: `${to} 23:59:59`,
        page,
        perPage: PAGE,
      }),
    }),
}

const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19) + "+00:00"

const money = (value) => {
  if (typeof value === "number") return value.toFixed(2)
  const decimals = value.length - value.indexOf(".") - 1
  return decimals < 2 ? value + "0" : value
}

const wallet = (row) => {
  const amount = money(row.currency_amount)
  return row.type === "Bingo - Wager" && amount !== "0.00" ? "-" + amount : amount
}

const transaction = (row) => ({
  id: row.movement_id,
  timestamp: moment(row.timestamp),
  type: row.type,
  amount: wallet(row),
  ticketId: row.ticket_id || null,
})

const gameLog = (row) => ({
  id: row.history_id,
  gameCode: row.game_code,
  type: row.type,
  bet: money(row.bet_money),
  win: money(row.win_money),
  createdAt: row.created_at.slice(0, 19) + "+00:00",
})

const shared = (rows, column, node) => {
  const found = new Map()
  for (const row of rows) {
    const list = found.get(row[column])
    if (list) list.push(node(row))
    else found.set(row[column], [node(row)])
  }
  return found
}

export const usersOf = async (calls, group) => {
  const rows = await calls.users(group)
  return rows.sort((one, other) => one.id - other.id)
}

export const movements = async (calls, group, dates) => {
  const rows = await calls.movements(group, dates)
  rows.sort((one, other) => other.movement_id - one.movement_id)
  return shared(rows, "user_id", transaction)
}

export const logs = async (calls, dates) => {
  const head = await calls.logPage(dates, 0)
  const rows = head.slot
  for (let page = 1; page * PAGE < head.total_count; page++) {
    for (const row of (await calls.logPage(dates, page)).slot) rows.push(row)
  }
  rows.sort((one, other) =>
    one.created_at < other.created_at ? 1 : one.created_at > other.created_at ? -1 : other.history_id - one.history_id,
  )
  return shared(rows, "user_code", gameLog)
}

// The keys of one tick may be of several groups and periods: one call for each.
const batched = (word, whole) =>
  new DataLoader(
    (keys) => {
      const calls = new Map()
      return Promise.all(
        keys.map(async (key) => {
          const name = word(key)
          let call = calls.get(name)
          if (!call) calls.set(name, (call = whole(key)))
          return (await call).get(key.key) ?? []
        }),
      )
    },
    { cache: false },
  )

export const context = (made = calls) => ({
  calls: made,
  transactions: batched(
    ({ group, dates }) => `${group} ${dates.from} ${dates.to}`,
    ({ group, dates }) => movements(made, group, dates),
  ),
  logs: batched(
    ({ dates }) => `${dates.from} ${dates.to}`,
    ({ dates }) => logs(made, dates),
  ),
})

export const page = (rows, first) => ({ nodes: rows.length > first ? rows.slice(0, first) : rows, totalCount: rows.length })

export const resolvers = {
  Query: {
    group: async (_, { id }, { calls }) => (await calls.groups(id))[0] ?? null,
  },
  Group: {
    users: async (group, { first }, { calls }) => page(await usersOf(calls, group.id), first),
  },
  User: {
    transactions: async (user, { during, inGroup, first }, { transactions }) =>
      page(await transactions.load({ key: user.id, group: inGroup, dates: during.dates }), first),
    gameLogs: async (user, { during, first }, { logs }) =>
      page(await logs.load({ key: user.username, dates: during.dates }), first),
  },
}
