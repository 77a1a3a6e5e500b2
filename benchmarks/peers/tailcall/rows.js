// What tailcall's worker (QuickJS) does with the rows. A function is given JSON as text, and returns it.
// An answer of the upstream is shared out to its users once and kept here, for each user's field to fetch its own rows:
// a field's function sees nothing but the value that it stands on, and handing all rows to each of them is quadratic.
const MOST_KEPT = 64 // two for each operation under way
const kept = new Map()
let last = 0

const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19) + "+00:00"
const money = (value) => value.toFixed(2)
const wallet = ({ type, currency_amount: amount }) => money(type === "Bingo - Wager" && amount ? -amount : amount)
const newestFirst = (one, other) =>
  one.created_at < other.created_at ? 1 : one.created_at > other.created_at ? -1 : other.history_id - one.history_id

const transaction = (row) => ({
  id: String(row.movement_id),
  timestamp: moment(row.timestamp),
  type: row.type,
  amount: wallet(row),
  ticketId: row.ticket_id || null,
})

const gameLog = (row) => ({
  id: String(row.history_id),
  gameCode: row.game_code,
  type: row.type,
  bet: money(row.bet_money),
  win: money(row.win_money),
  createdAt: row.created_at.slice(0, 19) + "+00:00",
})

const share = (rows, column, node) => {
  const users = Object.create(null)
  for (const row of rows) (users[row[column]] ??= []).push(node(row))
  kept.set(++last, users)
  kept.delete(last - MOST_KEPT)
  return JSON.stringify({ kept: last })
}

const own = (value) => {
  const { kept: answer, user, first } = JSON.parse(value)
  return { rows: kept.get(answer)[user] ?? [], first }
}

// Of an answer's body.

function group(body) {
  const [row] = JSON.parse(body).report
  return JSON.stringify(row ? { id: String(row.id), name: row.name } : null)
}

function users(body) {
  const sorted = JSON.parse(body).report.sort((one, other) => one.id - other.id)
  const rows = sorted.map(({ id, username }) => ({ id: String(id), username }))
  return JSON.stringify({ rows, totalCount: rows.length })
}

function movements(body) {
  const rows = JSON.parse(body).report.sort((one, other) => other.movement_id - one.movement_id)
  return share(rows, "user_id", transaction)
}

function logs(body) {
  return share(JSON.parse(body).slot.sort(newestFirst), "user_code", gameLog)
}

// Of a field's value.

function firstUsers(value) {
  const { rows, first } = JSON.parse(value)
  return JSON.stringify(rows.slice(0, first))
}

function firstRows(value) {
  const { rows, first } = own(value)
  return JSON.stringify(rows.slice(0, first))
}

function countRows(value) {
  return JSON.stringify(own(value).rows.length)
}
