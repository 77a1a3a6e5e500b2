/** An answer of the explorer as a table or as a chart, whatever was asked. */
import "./view.css";

import { useEffect, useMemo, useRef, useState } from "react";

import { about } from "../frame/about";
import { element } from "../frame/element";
import { chart } from "../rows/chart";
import { counted } from "../rows/column";
import { figuresOf } from "../rows/figures";
import { grid, kept } from "../rows/grid";
import { saveButtons } from "../rows/saving";
import { selectedBy } from "./document";
import { FORMATS, fileOf } from "./files";
import { type AnswerList, listsOf } from "./lists";

export interface AnswerProps {
  /** The whole answer of the graph, with `data` and `errors`. */
  answer: unknown;
  operationName?: string | undefined;
  /** The text of the operation that was run. With it, aliases are names of columns, and `@rows` chooses the list. */
  query?: string | undefined;
}

export const AnswerTable = (props: AnswerProps) => <Answer {...props} make={table} />;
export const AnswerChart = (props: AnswerProps) => <Answer {...props} make={picture} />;

type Make = (list: AnswerList, name: string, zone: string) => HTMLElement;

function Answer({ answer, operationName, query, make }: AnswerProps & { make: Make }) {
  const data = (answer as { data?: unknown } | null | undefined)?.data;
  const lists = useMemo(() => listsOf(data, selectedBy(query, operationName)), [data, query, operationName]);
  const [title, choose] = useState<string>();
  const zone = useZone();
  const list = lists.find((one) => one.title === title) ?? lists[0];
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (list && zone) place.current?.replaceChildren(make(list, operationName || "answer", zone));
  }, [list, operationName, make, zone]);
  if (!list) return <p className="answer-view note">{data == null ? "There is no answer with rows yet. Run a query." : "This answer has no values to show as rows."}</p>;
  return (
    <div className="answer-view">
      {lists.length > 1 && (
        <label className="list">
          {"List "}
          <select value={list.title} onChange={({ currentTarget }) => choose(currentTarget.value)}>
            {lists.map((one) => (
              <option key={one.title} value={one.title}>
                {`${one.title} (${counted(one.rows.length, "row")})`}
              </option>
            ))}
          </select>
        </label>
      )}
      <div ref={place} />
    </div>
  );
}

/** Return the business zone, once the server has said it. */
function useZone(): string | undefined {
  const [zone, set] = useState<string>();
  useEffect(() => {
    about().then(
      (found) => set(found.zone ?? "UTC"),
      () => set("UTC"), // days are then those of the texts of times
    );
  }, []);
  return zone;
}

const CUT = "The answer has a page of a list that has more.";

function table({ columns, rows, cut }: AnswerList, name: string): HTMLElement {
  return grid(kept(columns, rows), { name, note: cut ? CUT : "", actions: (reader) => [saveButtons(FORMATS.map((form) => ({ name: `${name}.${form}`, label: form, make: () => fileOf(reader, form, name) })))] });
}

function picture({ columns, rows, cut }: AnswerList, _name: string, zone: string): HTMLElement {
  const note = `Of all ${counted(rows.length, "row")} of the answer. Days are those of ${zone}.${cut ? ` ${CUT}` : ""}`;
  return chart(figuresOf(columns, rows, zone, false, note)) ?? element("p", { class: "note" }, "A chart needs at least two rows with a time or a text.");
}
