/**
 * Copy a text, and the same as HTML for programs that take it, such as spreadsheets. Browsers offer their clipboard over
 * TLS and on this machine alone; elsewhere a selection is copied. Only what is within an open dialog can be selected, so a
 * dialog passes itself.
 */
export async function copy(text: string, html?: string, within: HTMLElement = document.body): Promise<void> {
  if (navigator.clipboard && html === undefined) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = "."; // what is selected does not matter: the listener says what is copied
  field.className = "copied";
  field.setAttribute("aria-hidden", "true");
  within.append(field);
  const focused = document.activeElement;
  field.select();
  const answer = (event: ClipboardEvent) => {
    event.clipboardData!.setData("text/plain", text);
    if (html !== undefined) event.clipboardData!.setData("text/html", html);
    event.preventDefault();
  };
  document.addEventListener("copy", answer, { once: true });
  const done = document.execCommand("copy");
  document.removeEventListener("copy", answer);
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!done) throw new Error("The browser does not let this page copy.");
}
