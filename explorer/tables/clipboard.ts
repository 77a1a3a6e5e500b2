/**
 * Copy a text. Browsers offer their clipboard over TLS and on this machine alone; elsewhere a selection is copied. Only
 * what is within an open dialog can be selected, so a dialog passes itself.
 */
export async function copy(text: string, within: HTMLElement = document.body): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "copied";
  within.append(field);
  const focused = document.activeElement;
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!done) throw new Error("The browser does not let this page copy.");
}
