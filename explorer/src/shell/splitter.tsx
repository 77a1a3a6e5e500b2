/** A bar between two parts of the page. The pointer drags it, the arrow keys move it, and its place is remembered. */
import { type KeyboardEvent, type PointerEvent, useCallback, useLayoutEffect, useRef, useState } from "react";

interface Properties {
  /** The name of the size, which is the custom property `--name` of the element that holds the bar, in percent. */
  name: string;
  label: string;
  /** Whether the bar stands between a left and a right part, or between an upper and a lower one. */
  upright: boolean;
  size: number;
  least?: number;
  most?: number;
  /** Whether the size is that of the part behind the bar. */
  behind?: boolean;
}

const STEP = 4;
const key = (name: string) => `graphiql:size:${name}`;

export function Splitter({ name, label, upright, size, least = 15, most = 85, behind = false }: Properties) {
  const bar = useRef<HTMLDivElement>(null);
  const [value, setValue] = useState(() => Number(localStorage.getItem(key(name))) || size);
  useLayoutEffect(() => void bar.current?.parentElement?.style.setProperty(`--${name}`, `${value}%`), [name, value]);

  const put = useCallback(
    (wanted: number) => {
      const allowed = Math.round(Math.min(Math.max(wanted, least), most));
      setValue(allowed);
      localStorage.setItem(key(name), String(allowed));
    },
    [name, least, most],
  );

  function drag(event: PointerEvent<HTMLDivElement>) {
    const whole = event.currentTarget.parentElement?.getBoundingClientRect();
    if (!whole || !event.currentTarget.hasPointerCapture(event.pointerId)) {
      return;
    }
    const share = upright ? (event.clientX - whole.left) / whole.width : (event.clientY - whole.top) / whole.height;
    put(100 * (behind ? 1 - share : share));
  }

  function press(event: KeyboardEvent) {
    const ahead = upright ? "ArrowRight" : "ArrowDown";
    const back = upright ? "ArrowLeft" : "ArrowUp";
    const sign = behind ? -1 : 1;
    const to = { [ahead]: value + sign * STEP, [back]: value - sign * STEP, Home: least, End: most, Enter: size }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      put(to);
    }
  }

  return (
    <div
      ref={bar}
      role="separator"
      className={upright ? "splitter upright" : "splitter"}
      aria-label={label}
      aria-orientation={upright ? "vertical" : "horizontal"}
      aria-valuenow={value}
      aria-valuemin={least}
      aria-valuemax={most}
      tabIndex={0}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={drag}
      onDoubleClick={() => put(size)}
      onKeyDown={press}
    />
  );
}
