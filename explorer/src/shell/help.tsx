/** The list of keys and the settings, as dialogs, and the keys that work everywhere on the page. */
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { type ReactNode, type RefObject, useEffect, useRef, useState } from "react";

import { ToolButton } from "./button";
import { CloseIcon, GearIcon, KeyboardIcon, ReloadIcon } from "./icons";
import { KEYS, LIST } from "./keys";
import { DOCUMENTATION } from "./rail";

const COLOURS = [
  ["", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
] as const;

interface Properties {
  run: () => void;
  explain: () => void;
  toggleCalls: () => void;
}

export function Help({ run, explain, toggleCalls }: Properties) {
  const list = useRef<HTMLDialogElement>(null);
  const settings = useRef<HTMLDialogElement>(null);
  const { introspect, setVisiblePlugin } = useGraphiQLActions();
  const isIntrospecting = useGraphiQL((state) => state.isIntrospecting);

  useEffect(() => {
    function press(event: KeyboardEvent) {
      const control = event.ctrlKey || event.metaKey;
      const writes = event.target instanceof Element && event.target.matches("input, textarea, select, [contenteditable]");
      if (control && event.key === ",") {
        settings.current?.showModal();
      } else if (event.key === "?" && !writes) {
        list.current?.showModal();
      } else if (control && event.key === "Enter") {
        (event.shiftKey ? explain : run)(); // the editors have these keys themselves
      } else if (control && !event.shiftKey && !event.altKey && event.code === "KeyJ") {
        toggleCalls();
      } else if (control && event.altKey && event.code === "KeyK") {
        setVisiblePlugin(DOCUMENTATION); // the documentation has this key itself when it is there
        return;
      } else {
        return;
      }
      event.preventDefault();
    }
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [run, explain, toggleCalls, setVisiblePlugin]);

  return (
    <>
      <ToolButton label="Read the schema again" keys="Shift-Ctrl-R" disabled={isIntrospecting} onClick={() => void introspect()}>
        <ReloadIcon />
      </ToolButton>
      <ToolButton label="Keys" keys={KEYS.help} onClick={() => list.current?.showModal()}>
        <KeyboardIcon />
      </ToolButton>
      <ToolButton label="Settings" keys={KEYS.settings} onClick={() => settings.current?.showModal()}>
        <GearIcon />
      </ToolButton>
      <Dialog title="Keys" place={list}>
        <table>
          <thead>
            <tr>
              <th>Keys</th>
              <th>What they do</th>
            </tr>
          </thead>
          <tbody>
            {LIST.map(([keys, does]) => (
              <tr key={keys}>
                <td>
                  <kbd>{keys}</kbd>
                </td>
                <td>{does}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Dialog>
      <Dialog title="Settings" place={settings}>
        <Settings />
      </Dialog>
    </>
  );
}

function Settings() {
  const { setTheme } = useGraphiQLActions();
  const { theme, storage } = useGraphiQL((state) => ({ theme: state.theme, storage: state.storage }));
  const [cleared, setCleared] = useState(false);
  return (
    <>
      <label>
        Colours
        <select value={theme ?? ""} onChange={(event) => setTheme((event.target.value || null) as "light" | "dark" | null)}>
          {COLOURS.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <p>This browser remembers the tabs, the history and the sizes of the parts. It never remembers a header.</p>
      <button
        type="button"
        onClick={() => {
          storage.clear();
          setCleared(true);
        }}
      >
        Forget everything
      </button>
      <p role="status">{cleared ? "Done. The page begins anew when it is loaded again." : ""}</p>
    </>
  );
}

function Dialog({ title, place, children }: { title: string; place: RefObject<HTMLDialogElement | null>; children: ReactNode }) {
  return (
    <dialog ref={place} aria-label={title} onClick={(event) => event.target === event.currentTarget && place.current?.close()}>
      <div className="dialog-head">
        <h2>{title}</h2>
        <ToolButton label="Close" onClick={() => place.current?.close()}>
          <CloseIcon />
        </ToolButton>
      </div>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}
