/** The line below the page: what the last run of the operation in front brought, and what it cost. */
import { useGraphiQL } from "@graphiql/react";

import { ToolButton } from "../shell/button";
import { PlanIcon } from "../shell/icons";
import { KEYS } from "../shell/keys";
import { type Run, useCost } from "./run";
import { age, duration, number, oldest, size, things, totals } from "./words";

const COUNTED: Record<string, string> = { depth: "depth", fields: "fields", rootFields: "root fields", aliases: "aliases", nodes: "nodes" };
const ALWAYS_SHOWN = ["depth", "fields", "nodes"];
const NEAR_LIMIT = 0.8;

export function Status({ open, toggle }: { open: boolean; toggle: () => void }) {
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id);
  const { run } = useCost(tab);
  return (
    <>
      <ToolButton className="calls-toggle" label={`${open ? "Hide" : "Show"} calls`} keys={KEYS.calls} aria-expanded={open} onClick={toggle}>
        <PlanIcon />
        <span>Calls</span>
      </ToolButton>
      <div role="status" aria-label="Last run">
        <ul>{run ? <Facts run={run} /> : <li>Not run yet</li>}</ul>
      </div>
    </>
  );
}

function Facts({ run }: { run: Run }) {
  const calls = run.trace && totals(run.trace);
  const old = oldest(run.freshness ?? [], run.at);
  const complexity = Object.entries(run.complexity ?? {}).filter(
    ([name, { found, most }]) => ALWAYS_SHOWN.includes(name) || found >= NEAR_LIMIT * most,
  );
  return (
    <>
      <li className={run.status >= 200 && run.status < 300 ? "" : "bad"}>{run.status ? `HTTP ${run.status}` : "No answer"}</li>
      {run.problems.length > 0 && <li className="bad">{things(run.problems.length, "error")}</li>}
      <li>{duration(run.milliseconds / 1000)}</li>
      <li>{size(run.bytes)}</li>
      {run.events > 0 && <li>{things(run.events, "event")}</li>}
      {calls && (
        <>
          <li>
            {things(calls.made, "call")}
            {calls.cached > 0 && ` and ${number(calls.cached)} from the cache`}
          </li>
          {calls.failed > 0 && <li className="bad">{things(calls.failed, "failed call")}</li>}
          <li>{things(calls.rows, "row")}</li>
        </>
      )}
      {old !== undefined && <li>oldest figure: {age(old)}{old >= 1 && " old"}</li>}
      {run.stale ? (
        <li className="warn">
          out of date: {run.stale.map(({ report, since }) => `${report} since ${since}`).join(", ")}
        </li>
      ) : (
        run.freshness && run.freshness.length > 0 && <li>up to date</li>
      )}
      {complexity.map(([name, { found, most }]) => (
        <li key={name} className={found >= NEAR_LIMIT * most ? "warn" : ""}>
          {COUNTED[name] ?? name} {number(found)} of {number(most)}
        </li>
      ))}
    </>
  );
}
