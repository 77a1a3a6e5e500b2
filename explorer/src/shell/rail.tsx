/** The panels at the left: documentation, history, saved queries and whatever else has a place there. */
import type { GraphiQLPlugin } from "@graphiql/react";
import { lazy } from "react";

import { BUILDER_PLUGIN } from "../builder/plugin";
import { SAVED_PLUGIN } from "../saved/plugin";
import { ToolButton } from "./button";
import { BookIcon, ClockIcon } from "./icons";

/** The end of an address that opens the documentation. */
export const DOCS = "#docs";

/** The panel that a Ctrl-click in the query opens. */
export const DOCUMENTATION: GraphiQLPlugin = {
  title: "Documentation Explorer",
  icon: BookIcon,
  content: lazy(() => import("./documentation")),
};
const HISTORY: GraphiQLPlugin = { title: "History", icon: ClockIcon, content: lazy(() => import("./history")) };

/** The panels, in their order. A part of the page that has a panel adds it here. */
export const PANELS: GraphiQLPlugin[] = [DOCUMENTATION, SAVED_PLUGIN, BUILDER_PLUGIN, HISTORY];

interface Properties {
  shown: GraphiQLPlugin | null;
  show: (panel: GraphiQLPlugin | null) => void;
}

export function Rail({ shown, show }: Properties) {
  return (
    <nav className="rail" aria-label="Panels">
      {PANELS.map((panel) => (
        <ToolButton
          key={panel.title}
          label={`${panel === shown ? "Hide" : "Show"} ${panel.title}`}
          aria-expanded={panel === shown}
          onClick={() => show(panel === shown ? null : panel)}
        >
          <panel.icon />
        </ToolButton>
      ))}
    </nav>
  );
}
