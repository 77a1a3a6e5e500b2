// Hive Gateway with its JIT, on node:http, over both upstreams as REST sources: Mesh composes what is declared here.
// What cannot be declared is in additional resolvers, those of the other servers, with calls of the sources in them.
// With CACHE_SECONDS, its response cache keeps whole answers, and requests that are alike share one execution.
import { createServer } from "node:http"
import { createGatewayRuntime, Logger } from "@graphql-hive/gateway-runtime"
import { LegacyLogger } from "@graphql-hive/logger"
import InMemoryLRUCache from "@graphql-mesh/cache-inmemory-lru"
import { defineConfig, getComposedSchemaFromConfig } from "@graphql-mesh/compose-cli"
import { useJIT } from "@graphql-mesh/plugin-jit"
import rest from "@graphql-mesh/transport-rest"
import { loadJSONSchemaSubgraph } from "@omnigraph/json-schema"
import { cacheSeconds, context, PAGE, port, resolvers, typeDefs } from "./sources.mjs"

const string = { type: "string" }
const integer = { type: "integer" }
const number = { type: "number" }
const id = string // which the source makes of a number: the JIT writes leaves as they come
const GROUP = { id, name: string }
const USER = { id, username: string }
const MOVEMENT = {
  movement_id: id,
  timestamp: integer,
  user_id: id,
  type: string,
  currency_amount: number,
  ticket_id: string,
}
const LOG = {
  history_id: id,
  user_code: string,
  game_code: string,
  type: string,
  bet_money: number,
  win_money: number,
  created_at: string,
}

const object = (title, properties) => ({ type: "object", title, properties })
const rows = (title, columns) => ({ type: "array", items: object(title, columns) })
const report = (field, title, columns, type, query) => ({
  type: "Query",
  field,
  method: "GET",
  path: `/reports/?api_token={env.GAMEHUB_TOKEN}&report_type=${type}&${query}`,
  responseSchema: object(`${title}Report`, { report: rows(`${title}Row`, columns) }),
})
const FRAME = "timestamp=range&timestamp_range_from={args.from}&timestamp_range_to={args.to}"

const gameHub = loadJSONSchemaSubgraph("GameHub", {
  endpoint: "{env.GAMEHUB_URL}",
  operations: [
    report("groups", "Group", GROUP, "api_groups_report", "id={args.id}"),
    report("users", "User", USER, "api_users_report", "fkgroup={args.group}"),
    report("movements", "Movement", MOVEMENT, "api_retail_movements", `group_id={args.group}&${FRAME}`),
  ],
})
const gameHistory = loadJSONSchemaSubgraph("GameHistory", {
  endpoint: "{env.GAMELOG_URL}",
  operationHeaders: { "content-type": "application/json" },
  operations: [
    {
      type: "Query",
      field: "logPage",
      method: "POST",
      path: "?", // nothing after the endpoint: an empty path would be none at all
      requestBaseBody: {
        method: "get_game_log",
        agent_code: "{env.GAMELOG_AGENT_CODE}",
        agent_token: "{env.GAMELOG_AGENT_TOKEN}",
        game_type: "slot",
        perPage: PAGE,
      },
      requestSchema: object("LogRequest", { start: string, end: string, page: integer }),
      responseSchema: object("LogPage", { total_count: integer, slot: rows("LogRow", LOG) }),
    },
  ],
})

const log = new Logger({ level: "error" })
const supergraph = await getComposedSchemaFromConfig(
  defineConfig({
    subgraphs: [{ sourceHandler: gameHub }, { sourceHandler: gameHistory }],
    additionalTypeDefs: typeDefs,
  }),
  LegacyLogger.from(log),
)

const selected = (list, columns) => `${list} { ${Object.keys(columns).join(" ")} }`
const calls = (context) => {
  const { GameHub, GameHistory } = context
  const asked = async (field, columns, args) =>
    (await GameHub.Query[field]({ args, context, selectionSet: `{ ${selected("report", columns)} }` })).report
  return {
    groups: (id) => asked("groups", GROUP, { id }),
    users: (group) => asked("users", USER, { group }),
    movements: (group, dates) => asked("movements", MOVEMENT, { group, ...dates }),
    logPage: ({ from, to }, page) =>
      GameHistory.Query.logPage({
        args: { input: { start: `${from} 00:00:00`, end: `${to} 23:59:59`, page } },
        context,
        selectionSet: `{ total_count ${selected("slot", LOG)} }`,
      }),
  }
}

const gateway = createGatewayRuntime({
  supergraph,
  transports: { rest },
  additionalResolvers: resolvers,
  plugins: () => [
    useJIT(),
    { onContextBuilding: ({ context: base, extendContext }) => extendContext(context(calls(base))) },
  ],
  ...(cacheSeconds && {
    cache: new InMemoryLRUCache({ max: 1_000_000 }), // one entry for each answer, two for each entity in it
    responseCaching: { session: () => null, ttl: cacheSeconds * 1000 },
    inboundInflightRequestDeduplication: true,
  }),
  logging: log,
  graphiql: false,
  landingPage: false,
})
createServer(gateway).listen(port, "127.0.0.1")
