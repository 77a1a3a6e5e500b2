/** The operations that are open, as tabs. Each has a close button of its own, beside the list of tabs and not in it. */
import { type DragEvent, type KeyboardEvent, useEffect, useRef } from "react";

import { ToolButton } from "./button";
import { CloseIcon, PlusIcon } from "./icons";

interface Properties {
  titles: readonly { id: string; title: string }[];
  active: number;
  /** Which of them hold a saved query that was changed. */
  changed?: readonly boolean[];
  select: (index: number) => void;
  close?: (index: number) => void;
  move?: (from: number, to: number) => void;
  add?: () => void;
}

export const TAB_PANEL = "operation";

/** Return the place to which a key moves the focus; undefined for any other key. */
export function moved(key: string, place: number, count: number): number | undefined {
  const places: Record<string, number> = {
    ArrowLeft: (place + count - 1) % count,
    ArrowRight: (place + 1) % count,
    Home: 0,
    End: count - 1,
  };
  return places[key];
}

export function Tabs({ titles, active, changed = [], select, close, move, add }: Properties) {
  const list = useRef<HTMLDivElement>(null);
  const dragged = useRef<number | undefined>(undefined);
  useEffect(() => void list.current?.children[active]?.scrollIntoView({ block: "nearest", inline: "nearest" }), [active, titles.length]);
  const closable = close !== undefined && titles.length > 1;

  function focus(index: number) {
    // The tabs of the next render have the new order.
    requestAnimationFrame(() => (list.current?.children[index] as HTMLElement | undefined)?.focus());
  }

  function shut(index: number) {
    close?.(index);
    focus(Math.max(index <= active ? active - 1 : active, 0));
  }

  function press(event: KeyboardEvent, index: number) {
    const to = moved(event.key, index, titles.length);
    if (to !== undefined) {
      event.preventDefault();
      if (event.ctrlKey && event.shiftKey) {
        move?.(index, to);
      } else {
        select(to);
      }
      focus(to);
    } else if (event.key === "Delete" && closable) {
      event.preventDefault();
      shut(index);
    }
  }

  function drop(event: DragEvent, to: number) {
    event.preventDefault();
    if (dragged.current !== undefined && dragged.current !== to) {
      move?.(dragged.current, to);
    }
  }

  return (
    <div className="tabs">
      <div className="tabs-scroll">
        <div role="tablist" aria-label="Operations" ref={list}>
          {titles.map(({ id, title }, index) => (
            <button
              key={id}
              type="button"
              role="tab"
              id={`tab-${id}`}
              className="graphiql-tab-button"
              aria-selected={index === active}
              aria-controls={TAB_PANEL}
              tabIndex={index === active ? 0 : -1}
              style={{ gridColumn: index + 1 }}
              title={changed[index] ? `${title}, changed` : title}
              aria-description={changed[index] ? "changed" : undefined}
              data-changed={changed[index] || undefined}
              draggable={move !== undefined}
              onClick={() => select(index)}
              onAuxClick={(event) => event.button === 1 && closable && shut(index)}
              onKeyDown={(event) => press(event, index)}
              onDragStart={() => (dragged.current = index)}
              onDragOver={(event) => event.preventDefault()}
              onDrop={(event) => drop(event, index)}
            >
              {title}
            </button>
          ))}
        </div>
        {closable &&
          titles.map(({ id, title }, index) => (
            <button
              key={id}
              type="button"
              className="tab-close"
              aria-label={`Close tab ${title}`}
              tabIndex={index === active ? 0 : -1}
              style={{ gridColumn: index + 1 }}
              onClick={() => shut(index)}
            >
              <CloseIcon />
            </button>
          ))}
      </div>
      {add && (
        <ToolButton label="New tab" onClick={add}>
          <PlusIcon />
        </ToolButton>
      )}
    </div>
  );
}
