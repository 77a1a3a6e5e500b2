// The gateway of Grafbase, as its command line serves it for development, over both subgraphs: graphql-yoga with
// graphql-jit in this process. With CACHE_SECONDS, the gateway keeps what the subgraphs answered.
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { useGraphQlJit } from "@envelop/graphql-jit"
import { createYoga } from "graphql-yoga"
import { federated } from "./federated.mjs"
import { cacheSeconds, context, port } from "./sources.mjs"

const program = new URL("node_modules/@grafbase/cli-x86_64-unknown-linux-musl/grafbase", import.meta.url).pathname
const config = cacheSeconds ? [`[entity_caching]\nenabled = true\nttl = "${cacheSeconds}s"`] : []
for (const [name, { text, schema }] of Object.entries(federated)) {
  const yoga = createYoga({ schema, plugins: [useGraphQlJit()], context: () => context(), graphiql: false, logging: false })
  const server = createServer(yoga)
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening))
  writeFileSync(`${name}.graphql`, text)
  const address = `http://127.0.0.1:${server.address().port}/graphql`
  config.push(`[subgraphs.${name}]\nurl = "${address}"\nschema_path = "${name}.graphql"`)
}
writeFileSync("grafbase.toml", config.join("\n\n"))

const options = ["dev", "--config", "grafbase.toml", "--listen-address", `127.0.0.1:${port}`]
const gateway = spawn(program, options, { stdio: "inherit" })
gateway.on("exit", (code) => process.exit(code ?? 1))
process.on("SIGTERM", () => gateway.kill())
