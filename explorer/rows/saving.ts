/** Give a file to the person: the browser asks where, or puts it among the downloads. */
import { element } from "../frame/element";

const KEPT_MILLISECONDS = 60_000;

export function save(content: Blob, name: string): void {
  const link = element("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MILLISECONDS);
}
