/** The upstream calls of the last run: what each read, how long it took, which fields it served, and what was rejected. */
import { useState } from "react";

import { type Call, type Cost, type Plan, type Run } from "./run";
import { age, ageOf, duration, number, rejection, scope, size, state, things, totals, wayName } from "./words";

const FIRST_SHOWN = 8;

interface Properties {
  cost: Cost;
  /** Whether a call serves the fields that are in focus. */
  inFocus: (fields: readonly string[]) => boolean;
  /** The call whose fields the query shows. */
  chosen: object | undefined;
  choose: (call: Call | undefined) => void;
}

interface Group {
  key: string;
  fields: string[];
  calls: Call[];
}

/** Return the calls by the fields that they served and by their way, in the order of the first call. */
function grouped(calls: readonly Call[]): Group[] {
  const groups = new Map<string, Group>();
  for (const call of calls) {
    const key = call.fields.join(" ");
    const group = groups.get(key);
    if (group) {
      group.calls.push(call);
    } else {
      groups.set(key, { key, fields: call.fields, calls: [call] });
    }
  }
  return [...groups.values()];
}

export function Calls({ cost: { run, plan }, inFocus, chosen, choose }: Properties) {
  const calls = run?.trace;
  if (!run || !calls) {
    return <p className="empty">{run ? "The answer came without the calls that were made for it." : "Run the operation to see the upstream calls that it makes."}</p>;
  }
  if (!calls.length) {
    return <p className="empty">The answer needed no upstream call.</p>;
  }
  const sums = totals(calls);
  return (
    <table className="calls-table">
      <caption>
        {things(sums.made, "upstream call")}
        {sums.cached > 0 && `, ${number(sums.cached)} answered by the cache`}
        {plan && `; foreseen: ${foreseen(plan)}`}
      </caption>
      <thead>
        <tr>
          <th scope="col">Report</th>
          <th scope="col">Of</th>
          <th scope="col" className="number">Keys</th>
          <th scope="col" className="number">Rows</th>
          <th scope="col" className="number">Bytes</th>
          <th scope="col">Cache</th>
          <th scope="col">Age</th>
          <th scope="col" className="number">Foreseen</th>
          <th scope="col" className="number">Took</th>
          <th scope="col" className="when">
            When, of {duration(sums.end)}
          </th>
        </tr>
      </thead>
      {grouped(calls).map((group) => (
        <Served key={group.key} group={group} run={run} plan={plan} end={sums.end} {...{ inFocus, chosen, choose }} />
      ))}
    </table>
  );
}

function foreseen(plan: Plan): string {
  const range = plan.depends ? ` (${number(plan.fewest)} to ${number(plan.most)})` : "";
  const held = plan.held ? `, ${number(plan.held)} held` : "";
  return `${things(plan.calls, "call")}${range}${held}, ${things(plan.rows, "row")}, ${duration(plan.seconds)}`;
}

interface ServedProperties extends Omit<Properties, "cost"> {
  group: Group;
  run: Run;
  plan: Plan | undefined;
  end: number;
}

/** The calls that served the same fields. */
function Served({ group, run, plan, end, inFocus, chosen, choose }: ServedProperties) {
  const [all, setAll] = useState(false);
  const shown = all ? group.calls : group.calls.slice(0, FIRST_SHOWN);
  const more = group.calls.length - shown.length;
  const [first] = group.calls;
  const others = [...new Set(group.calls.map((call) => call.way))].slice(1);
  const planned = plan?.plan.filter((part) => part.fields.join(" ") === group.key) ?? [];
  return (
    <tbody className={inFocus(group.fields) ? "in-focus" : undefined}>
      <tr className="served">
        <th scope="rowgroup" colSpan={10}>
          <code>{group.fields.join(", ") || "no field"}</code>
          <span>
            {wayName(first?.way ?? "")}
            {first && first.rejected.length > 0 && `, rather than ${first.rejected.map(rejection).join("; ")}`}
            {others.length > 0 && `; then ${others.map(wayName).join(", ")}`}
            {planned.length > 0 &&
              `. Foreseen: ${planned.map((part) => `${things(part.calls, "call")}${part.held ? ` and ${number(part.held)} held` : ""}, ${things(part.rows, "row")}, ${duration(part.seconds)}`).join("; ")}`}
          </span>
        </th>
      </tr>
      {shown.map((call, index) => (
        <Line key={index} {...{ call, run, end, choose }} alone={group.calls.filter(({ way }) => way === call.way).length === 1} chosen={call === chosen} />
      ))}
      {more > 0 && (
        <tr>
          <td colSpan={10}>
            <button type="button" className="more" onClick={() => setAll(true)}>
              Show {things(more, "more call")}
            </button>
          </td>
        </tr>
      )}
    </tbody>
  );
}

interface LineProperties {
  call: Call;
  run: Run;
  end: number;
  /** Whether the price is that of this call, and not that of several. */
  alone: boolean;
  chosen: boolean;
  choose: (call: Call | undefined) => void;
}

function Line({ call, run, end, alone, chosen, choose }: LineProperties) {
  const said = state(call);
  const old = ageOf(call, run);
  return (
    <tr className={said.replaceAll(" ", "-") || undefined}>
      <td>
        <button type="button" aria-pressed={chosen} title={`${call.type}: show its fields in the query`} onClick={() => choose(chosen ? undefined : call)}>
          {call.report}
        </button>
      </td>
      <td className="scope">{scope(call)}</td>
      <td className="number">{number(call.keys)}</td>
      <td className="number">{number(call.rows)}</td>
      <td className="number">{size(call.bytes)}</td>
      <td>{call.cache}</td>
      <td>{old === undefined ? "" : age(old)}</td>
      <td className="number">{alone && call.price > 0 && duration(call.price)}</td>
      <td className="number">{duration(call.seconds)}</td>
      <td className="when">
        <div>
          <Bar call={call} end={end} />
          <span className="word">{call.error === undefined ? said : `${said}: ${call.error}`}</span>
        </div>
      </td>
    </tr>
  );
}

/** The time of a call within the run. The pale part is the time in which it waited for its turn. */
function Bar({ call, end }: { call: Call; end: number }) {
  const share = (seconds: number) => (end ? (100 * seconds) / end : 0);
  const width = Math.max(share(call.seconds), 0.6);
  return (
    <svg className="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect className="track" width="100" height="8" />
      <rect className="took" x={Math.min(share(call.start), 99.4)} width={width} height="8" />
      {call.waited > 0 && <rect className="waited" x={share(call.start)} width={share(call.waited)} height="8" />}
    </svg>
  );
}

