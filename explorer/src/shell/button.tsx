/** The buttons with icons. Each shows what it does, and its keys, under the pointer and when it has the focus. */
import type { ButtonHTMLAttributes, ReactNode } from "react";

import { PlayIcon, StopIcon } from "./icons";

interface Properties extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
  keys?: string | undefined;
  children: ReactNode;
}

export function ToolButton({ label, keys, children, className = "", ...rest }: Properties) {
  return (
    <button
      type="button"
      className={`tool ${className}`}
      aria-label={keys ? `${label} (${keys})` : label}
      aria-keyshortcuts={keys?.replaceAll("-", "+").replace("Ctrl", "Control")}
      data-tip={keys ? `${label} (${keys})` : label}
      {...rest}
    >
      {children}
    </button>
  );
}

/** The button that runs the operation in front, or stops it. */
export function RunButton({ running = false, ...rest }: { running?: boolean; keys?: string; disabled?: boolean; onClick?: () => void }) {
  return (
    <ToolButton className="run" label={running ? "Stop query" : "Run: execute query"} {...rest}>
      {running ? <StopIcon /> : <PlayIcon />}
      <span>{running ? "Stop" : "Run"}</span>
    </ToolButton>
  );
}
