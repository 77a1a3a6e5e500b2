/** A field for an id with the choices that the caller sees: type to search by name, arrows and Enter to choose. */
import { useEffect, useId, useRef, useState } from "react";

import type { Kind } from "../facts";
import type { Choice, Choices } from "./choices";

interface Props {
  id: string;
  kind: Kind;
  value: string;
  choices: Choices;
  required?: boolean;
  describedBy?: string | undefined;
  onChange(value: string): void;
}

const PAUSE = 200; // milliseconds after the last key before a search

export function Combobox({ id, kind, value, choices, required, describedBy, onChange }: Props) {
  const list = useId();
  const [text, setText] = useState<string>(); // what is typed, while it is typed
  const [found, setFound] = useState<Choice[]>();
  const [failure, setFailure] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const [name, setName] = useState("");
  const chosen = useRef<HTMLLIElement>(null);

  useEffect(() => {
    let current = true;
    setName("");
    if (value) {
      choices.one(kind, value).then(
        (one) => current && setName(one ? [one.name, one.detail].filter(Boolean).join(", ") : ""),
        () => undefined, // the list says why
      );
    }
    return () => void (current = false);
  }, [choices, kind, value]);

  useEffect(() => {
    if (!open) return;
    let current = true;
    const wait = setTimeout(
      () =>
        choices.find(kind, text ?? "").then(
          (all) => {
            if (!current) return;
            setFound(all);
            setFailure("");
            setActive(Math.max(0, all.findIndex((one) => one.id === value)));
          },
          (error: Error) => current && setFailure(error.message),
        ),
      text === undefined ? 0 : PAUSE,
    );
    return () => {
      current = false;
      clearTimeout(wait);
    };
  }, [choices, kind, open, text, value]);

  useEffect(() => void chosen.current?.scrollIntoView({ block: "nearest" }), [active, found]);

  function close() {
    setOpen(false);
    setText(undefined);
    setFound(undefined);
  }

  function choose(choice: Choice) {
    onChange(choice.id);
    close();
  }

  /** An id may be typed as well. Any other text is a search that was given up. */
  function leave() {
    if (text !== undefined && (text.trim() === "" || /^\d+$/.test(text.trim()))) onChange(text.trim());
    close();
  }

  function press(event: React.KeyboardEvent) {
    const shown = found ?? [];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (shown.length) setActive((active + step + shown.length) % shown.length);
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      const choice = shown[active];
      choice ? choose(choice) : leave();
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      close();
    }
  }

  const shown = open && found ? found : [];
  return (
    <div className="combobox">
      <input
        id={id}
        type="text"
        role="combobox"
        autoComplete="off"
        spellCheck={false}
        placeholder={`Search ${kind.toLowerCase()}s by name`}
        aria-expanded={open}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={shown.length ? `${list}-${active}` : undefined}
        aria-required={required || undefined}
        aria-describedby={[`${id}-name`, describedBy].filter(Boolean).join(" ")}
        value={text ?? value}
        onChange={(event) => {
          setText(event.target.value);
          setOpen(true);
        }}
        onFocus={(event) => event.target.select()}
        onClick={() => setOpen(true)}
        onBlur={leave}
        onKeyDown={press}
      />
      <span id={`${id}-name`} className="combobox-name">
        {name}
      </span>
      <ul id={list} role="listbox" aria-label={`${kind}s`} hidden={!open}>
        {shown.map((choice, index) => (
          <li
            key={choice.id}
            id={`${list}-${index}`}
            ref={index === active ? chosen : undefined}
            role="option"
            aria-selected={index === active}
            onPointerDown={(event) => {
              event.preventDefault(); // the field keeps the focus
              choose(choice);
            }}
          >
            <span>{choice.name}</span> <small>{[choice.detail, choice.id].filter(Boolean).join(" · ")}</small>
          </li>
        ))}
        {open && !shown.length && (
          <li role="option" aria-selected={false} aria-disabled="true" className="combobox-note">
            {failure || (found ? `You see no such ${kind.toLowerCase()}.` : "Reading…")}
          </li>
        )}
      </ul>
    </div>
  );
}
