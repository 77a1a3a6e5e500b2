/** The panel of saved queries: search, open in the tab that has it, restore the saved text, read it as a table. */
import { useId, useState } from "react";

import "./saved.css";

import { at } from "../../frame/address";
import { draftOf, type SavedQuery, search, tabOf } from "./saved";

interface Props {
  saved: readonly SavedQuery[];
  tabs: readonly { query: string | null }[];
  activeTab: number;
  /** Bring the tab of a query to the front, or a new one. */
  onOpen(one: SavedQuery): void;
  /** Give a tab the saved text again. */
  onRestore(one: SavedQuery, tab: number): void;
}

export function SavedQueries({ saved, tabs, activeTab, onOpen, onRestore }: Props) {
  const [text, setText] = useState("");
  const id = useId();
  const found = search(saved, text);
  return (
    <section aria-labelledby={id} className="saved-queries">
      <h2 id={id}>Saved queries</h2>
      <input type="search" aria-label="Search saved queries" placeholder="Name, description or field" value={text} onChange={(event) => setText(event.target.value)} />
      <p role="status" className="note">
        {!saved.length ? "The server has no saved queries." : !found.length ? `None of the ${saved.length} has this.` : text ? `${found.length} of ${saved.length}` : ""}
      </p>
      <ul>
        {found.map((one) => {
          const tab = tabOf(one, tabs);
          const draft = draftOf(one, tabs);
          return (
            <li key={one.name}>
              <button
                type="button"
                className="open"
                aria-current={tab >= 0 && tab === activeTab ? "true" : undefined}
                title={tab >= 0 ? `Go to the tab of ${one.name}` : `Open ${one.name} in a new tab`}
                onClick={() => onOpen(one)}
              >
                <span className="saved-queries-name">{one.name}</span>
                {draft >= 0 && <span className="changed">changed</span>}
                <span className="saved-queries-comment">{one.comment}</span>
              </button>
              {(one.table || draft >= 0) && (
                <span className="more">
                  {one.table && (
                    <a href={at(`/tables/${encodeURIComponent(one.table)}`)} aria-label={`${one.name} as a table`}>
                      Table
                    </a>
                  )}
                  {draft >= 0 && (
                    <button type="button" aria-label={`Restore the saved text of ${one.name}`} onClick={() => onRestore(one, draft)}>
                      Restore the saved text
                    </button>
                  )}
                </span>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
