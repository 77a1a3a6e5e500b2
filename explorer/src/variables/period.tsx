/** A period: a named one, whole days, or two moments. All of them are on the clock of the business. */
import type { GraphQLEnumType, GraphQLInputObjectType } from "graphql";
import { getNamedType } from "graphql";

import { momentOf, today, wallOf } from "./moments";

export interface Period {
  frame?: string;
  dates?: { from?: string; to?: string };
  between?: { from?: string; until?: string };
}

interface Props {
  id: string;
  type: GraphQLInputObjectType;
  value: Period | null | undefined;
  zone: string;
  standard?: string | undefined;
  describedBy?: string | undefined;
  onChange(value: Period | undefined): void;
}

/** Whether an input type is the graph's period. */
export function isPeriod(type: GraphQLInputObjectType): boolean {
  const fields = type.getFields();
  return "frame" in fields && "dates" in fields && "between" in fields;
}

const words = (name: string) => name.charAt(0) + name.slice(1).toLowerCase().replaceAll("_", " ");

export function PeriodInput({ id, type, value, zone, standard, describedBy, onChange }: Props) {
  const frames = getNamedType(type.getFields()["frame"]?.type) as GraphQLEnumType;
  const shown = value?.frame ?? (value?.dates ? "dates" : value?.between ? "between" : "");

  function choose(chosen: string) {
    const day = today(zone);
    if (chosen === "") onChange(undefined);
    else if (chosen === "dates") onChange({ dates: { from: day, to: day } });
    else if (chosen === "between") {
      onChange({ between: { from: momentOf(`${day}T00:00`, zone), until: momentOf(wallOf(new Date().toISOString(), zone), zone) } });
    } else onChange({ frame: chosen });
  }

  return (
    <div className="period">
      <select id={id} value={shown} aria-describedby={describedBy} onChange={(event) => choose(event.target.value)}>
        <option value="">{standard ? `Not given: ${standard}` : "Not given"}</option>
        {frames.getValues().map(({ name, description }) => (
          <option key={name} value={name} title={description ?? undefined}>
            {words(name)}
          </option>
        ))}
        <option value="dates">Days from … to …</option>
        <option value="between">From a moment until another</option>
      </select>
      {value?.dates && (
        <div className="range">
          <label>
            First day
            <input
              type="date"
              value={value.dates.from ?? ""}
              onChange={(event) => onChange({ dates: { ...value.dates, from: event.target.value } })}
            />
          </label>
          <label>
            Last day
            <input
              type="date"
              value={value.dates.to ?? ""}
              onChange={(event) => onChange({ dates: { ...value.dates, to: event.target.value } })}
            />
          </label>
        </div>
      )}
      {value?.between && (
        <div className="range">
          <label>
            From
            <input
              type="datetime-local"
              value={wallOf(value.between.from ?? "", zone)}
              onChange={(event) => onChange({ between: { ...value.between, from: momentOf(event.target.value, zone) } })}
            />
          </label>
          <label>
            Until, not included
            <input
              type="datetime-local"
              value={wallOf(value.between.until ?? "", zone)}
              onChange={(event) => onChange({ between: { ...value.between, until: momentOf(event.target.value, zone) } })}
            />
          </label>
        </div>
      )}
      {(value?.dates || value?.between) && <small>On the clock of the business: {zone}.</small>}
    </div>
  );
}
