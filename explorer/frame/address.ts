/**
 * Addresses below the path at which a proxy publishes the server, such as "/graph". In the scripts, paths are those of the
 * server itself; `at` makes an address of them.
 */

const PREFIX = document.documentElement.dataset.prefix ?? "";

/** The address of the server, for programs that people copy. */
export const ROOT = location.origin + PREFIX;

/** Return the address of a path of the server. */
export const at = (path: string) => PREFIX + path;

/** Return the path of the server that an address has; that of this page by default. */
export function pathOf(address: string = location.pathname): string {
  const below = address === PREFIX || address.startsWith(`${PREFIX}/`);
  return below ? address.slice(PREFIX.length) || "/" : address;
}
