// graphql-http's audits of a server, as JSON lines: {"id", "name", "status", "reason"}, and the HTTP status in "answered"
// if the audit failed. The address is the one argument.
import { serverAudits } from "graphql-http";

for (const audit of serverAudits({ url: process.argv[2] })) {
  const { id, name, status, reason, response } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason, answered: response?.status }));
}
