// graphql-http's audits of a server, as JSON lines: {"id", "name", "status", "reason"}. The address is the one argument.
import { serverAudits } from "graphql-http";

for (const audit of serverAudits({ url: process.argv[2] })) {
  const { id, name, status, reason } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
