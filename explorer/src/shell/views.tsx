/** A short list of tabs that switches between the views of one part of the page. */
import { type KeyboardEvent, type ReactNode, useId } from "react";

import { moved } from "./tabs";

export interface View {
  name: string;
  label?: ReactNode;
  keys?: string;
}

interface Properties {
  label: string;
  views: readonly View[];
  shown: string;
  show: (name: string) => void;
  /** The elements that the tabs control, by the name of the view. */
  panel: (name: string) => string;
  children?: ReactNode;
}

export function Views({ label, views, shown, show, panel, children }: Properties) {
  const id = useId();

  function press(event: KeyboardEvent, index: number) {
    const to = moved(event.key, index, views.length);
    const view = to === undefined ? undefined : views[to];
    if (view) {
      event.preventDefault();
      show(view.name);
      document.getElementById(`${id}${view.name}`)?.focus();
    }
  }

  return (
    <div className="views">
      <div role="tablist" aria-label={label}>
        {views.map((view, index) => (
          <button
            key={view.name}
            id={`${id}${view.name}`}
            type="button"
            role="tab"
            aria-selected={view.name === shown}
            aria-controls={panel(view.name)}
            aria-keyshortcuts={view.keys?.replaceAll("-", "+").replace("Ctrl", "Control")}
            data-tip={view.keys}
            tabIndex={view.name === shown ? 0 : -1}
            onClick={() => show(view.name)}
            onKeyDown={(event) => press(event, index)}
          >
            {view.label ?? view.name}
          </button>
        ))}
      </div>
      {children}
    </div>
  );
}
