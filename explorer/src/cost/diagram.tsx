/** The plan of an operation as a diagram: the fields, the batches in which they are read, and the upstream calls. */
import { Fragment } from "react";

import type { Cost, PlannedCalls } from "./run";
import { duration, number, rejection, scope, things, wayName } from "./words";

const ROW = 58; // height of a node, with the gap below it
const NODE = 48;
const LEFT = 28; // where lines leave the first column and reach the second one, in percent of the width
const MIDDLE = [36, 60] as const;
const RIGHT = 68;

interface Properties {
  cost: Cost;
  inFocus: (fields: readonly string[]) => boolean;
  chosen: object | undefined;
  choose: (part: PlannedCalls | undefined) => void;
}

export function Diagram({ cost: { plan, planning }, inFocus, chosen, choose }: Properties) {
  if (!plan) {
    return <p className="empty">{planning ? "The server makes the plan…" : "Explain shows the calls before they are made. It calls no upstream."}</p>;
  }
  const parts = plan.plan;
  if (!parts.length) {
    return <p className="empty">The operation needs no upstream call.</p>;
  }
  const fields = [...new Set(parts.flatMap((part) => part.fields))];
  const rows = Math.max(fields.length, parts.length);
  const place = (index: number, count: number) => (index + (rows - count) / 2) * ROW;
  const middle = (index: number, count: number) => place(index, count) + NODE / 2;
  const marks = (served: readonly string[], part?: PlannedCalls) =>
    (part ? part === chosen : served.some((field) => (chosen as PlannedCalls | undefined)?.fields.includes(field))) || inFocus(served) ? " in-focus" : "";

  return (
    <>
      <p className="sum">
        {things(plan.calls, "upstream call")}
        {plan.depends && `, from ${number(plan.fewest)} to ${number(plan.most)}: what later calls need is not known yet`}
        {plan.held > 0 && `; ${number(plan.held)} more held by the cache`}; {things(plan.rows, "row")}, {duration(plan.seconds)}
      </p>
      <div className="diagram" style={{ height: rows * ROW + 28 }} role="group" aria-label="Plan of the operation">
        <div className="heads" aria-hidden="true">
          <span>Fields</span>
          <span>Batches</span>
          <span>Calls</span>
        </div>
        <svg viewBox={`0 0 100 ${rows * ROW}`} preserveAspectRatio="none" style={{ height: rows * ROW }} aria-hidden="true">
          {parts.map((part, index) => {
            const y = middle(index, parts.length);
            return (
              <Fragment key={index}>
                {part.fields.map((field) => (
                  <Line key={field} from={LEFT} to={MIDDLE[0]} start={middle(fields.indexOf(field), fields.length)} end={y} mark={marks([field], part)} />
                ))}
                <Line from={MIDDLE[1]} to={RIGHT} start={y} end={y} mark={marks(part.fields, part)} />
              </Fragment>
            );
          })}
        </svg>
        {fields.map((field, index) => (
          <div key={field} className={`node field${marks([field])}`} style={{ top: place(index, fields.length) }}>
            <code>{field}</code>
          </div>
        ))}
        {parts.map((part, index) => (
          <div key={index} className={`node batch${marks(part.fields, part)}`} style={{ top: place(index, parts.length) }}>
            <span>{wayName(part.way)}</span>
            <small>{part.rejected.length ? `rather than ${part.rejected.map(rejection).join("; ")}` : "the only way"}</small>
          </div>
        ))}
        {parts.map((part, index) => (
          <button
            key={index}
            type="button"
            className={`node planned${part.calls ? "" : " held"}${marks(part.fields, part)}`}
            style={{ top: place(index, parts.length) }}
            aria-pressed={part === chosen}
            aria-description={`For ${part.fields.join(", ")}`}
            title="Show its fields in the query"
            onClick={() => choose(part === chosen ? undefined : part)}
          >
            <span>
              <b>{part.report}</b> {amount(part)}
            </span>
            <small>
              {scope(part)}: {things(part.rows, "row")}
              {part.calls > 0 && `, ${duration(part.seconds)}`}
            </small>
          </button>
        ))}
      </div>
    </>
  );
}

function Line({ from, to, start, end, mark }: { from: number; to: number; start: number; end: number; mark: string }) {
  const half = (from + to) / 2;
  return <path className={mark.trim() || undefined} d={`M${from} ${start}C${half} ${start} ${half} ${end} ${to} ${end}`} />;
}

function amount({ calls, held }: PlannedCalls): string {
  if (!calls) {
    return held > 1 ? `${number(held)} held by the cache` : "held by the cache";
  }
  return `${things(calls, "call")}${held ? ` and ${number(held)} held` : ""}`;
}
