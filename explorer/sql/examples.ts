/** Statements to start with. Each is offered where its table is there. */
import { type Catalog, tableName } from "./catalog";

interface Example {
  title: string;
  table: string;
  text: string;
}

const EXAMPLES: Example[] = [
  {
    title: "Top winners yesterday",
    table: "transactions",
    text: `SELECT username, sum(amount) AS net
FROM transactions
WHERE group_id = '382' AND date(timestamp) = current_date - 1
GROUP BY username
ORDER BY net DESC
LIMIT 10`,
  },
  {
    title: "GGR by provider, last 7 days",
    table: "game_logs",
    text: `SELECT provider_code, sum(bet) AS bets, sum(win) AS wins, sum(bet - win) AS ggr
FROM game_logs
WHERE created_at >= current_date - 7 AND created_at < current_date
GROUP BY provider_code
ORDER BY ggr DESC`,
  },
  {
    title: "Net per day, last 14 days",
    table: "daily_movements",
    text: `SELECT date, total_wagers, total_wins, net
FROM daily_movements
WHERE group_id = '382' AND date >= current_date - 14 AND date < current_date
ORDER BY date`,
  },
];

const SAVED: Example[] = [
  {
    title: "Top winners yesterday",
    table: "saved.GroupTransactions",
    text: EXAMPLES[0]!.text.replace("transactions", "saved.GroupTransactions").replace("username", "user_username").replace("BY username", "BY user_username"),
  },
  {
    title: "GGR by provider, last 7 days",
    table: "saved.GameLogs",
    text: EXAMPLES[1]!.text.replace("game_logs", "saved.GameLogs").replaceAll("provider_code", '"providerCode"').replaceAll("created_at", '"createdAt"'),
  },
  {
    title: "Net per day, last 14 days",
    table: "saved.DailyMovements",
    text: EXAMPLES[2]!.text.replace("daily_movements", "saved.DailyMovements").replace("total_wagers, total_wins", '"totalWagers", "totalWins"'),
  },
];

export function examples({ tables }: Catalog): Example[] {
  const names = new Set(tables.map(tableName));
  const there = EXAMPLES.filter(({ table }) => names.has(table));
  return there.length ? there : SAVED.filter(({ table }) => names.has(table));
}
