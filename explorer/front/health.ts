/** The health of the upstreams and of the cache, in plain words. */
import type { About, CacheHealth, UpstreamHealth } from "../frame/about";
import { element } from "../frame/element";
import { lasting } from "../frame/moments";

const mebibytes = (bytes: number) => (bytes / (1 << 20)).toFixed(bytes < 10 << 20 ? 1 : 0);

function line(wrong: string | null, name: string, ...text: string[]): HTMLElement {
  return element("li", {}, element("span", { class: wrong ? "state bad" : "state good" }, wrong ? "problem" : "good"), " ", element("b", {}, name), " ", ...text);
}

function ofUpstream({ name, sandbox, wrong, age }: UpstreamHealth): HTMLElement {
  const seen = age === null ? "" : age < 1 ? "Seen just now." : `Seen ${lasting(age)} ago.`;
  return line(wrong, name, wrong ?? `answers${sandbox ? " (a sandbox with made-up figures)" : ""}.`, ` ${seen}`);
}

function ofCache({ store, entries, bytes, limit, wrong }: CacheHealth): HTMLElement {
  if (store === "off") return line(null, "Cache", "is off: every question is asked upstream.");
  const where = store === "redis" ? "in Redis" : "in memory";
  const size = `${entries.toLocaleString("en")} entries, ${mebibytes(bytes)}${limit === null ? "" : ` of ${mebibytes(limit)}`} MiB ${where}.`;
  return line(wrong, "Cache", wrong ?? `keeps ${size}`);
}

/** Return the lines about a server. */
export function health({ upstreams, cache }: About): HTMLElement[] {
  return [...(upstreams ?? []).map(ofUpstream), ...(cache ? [ofCache(cache)] : [])];
}
