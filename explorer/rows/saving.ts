/** Give files to the person: the browser asks where, or puts them among the downloads. */
import { element } from "../frame/element";

const KEPT_MILLISECONDS = 60_000;

export function save(content: Blob, name: string): void {
  const link = element("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MILLISECONDS);
}

/** A file to save: its name, what its button says, and how it is made. */
export interface SavedFile {
  name: string;
  label: string;
  make: () => Promise<Blob>;
}

/** Return a button for each file. An error is said beside them. */
export function saveButtons(files: SavedFile[]): HTMLElement {
  const failed = element("span", { class: "failed", role: "alert", hidden: true });
  const button = ({ name, label, make }: SavedFile) => {
    const made = element(
      "button",
      {
        type: "button",
        click: async () => {
          made.setAttribute("aria-busy", "true");
          failed.hidden = true;
          try {
            save(await make(), name);
          } catch (error) {
            failed.textContent = error instanceof Error ? error.message : String(error);
            failed.hidden = false;
          }
          made.removeAttribute("aria-busy");
        },
      },
      label,
    );
    return made;
  };
  return element("span", { class: "files" }, ...files.map(button), failed);
}
