/** Plugins of the builds: the header of every page, and the licenses of the fonts. */
import { readFileSync } from "node:fs";

import type { Plugin } from "vite";

/** Put the header into a page, so that it is there without a script. */
export function header(): Plugin {
  return {
    name: "header",
    transformIndexHtml: {
      order: "pre",
      handler: (html) => html.replace("<!-- header -->", readFileSync(new URL("header.html", import.meta.url), "utf8").trimEnd()),
    },
  };
}

/**
 * Return how files of a page refer to each other. Pages are served at several addresses, so they name their files by the
 * whole path, to which the server adds the path of a proxy. Scripts and style sheets name files by their own place.
 */
export const placed = (base: string) => (name: string, { hostType }: { hostType: string }) => (hostType === "html" ? base + name : { relative: true });

/** Vite's list of licenses knows scripts only; the fonts' licenses ask to travel with the fonts. */
export function fontLicenses(...fonts: string[]): Plugin {
  return {
    name: "font-licenses",
    generateBundle() {
      for (const font of fonts) {
        const source = readFileSync(new URL(`../node_modules/@fontsource/${font}/LICENSE`, import.meta.url), "utf8");
        this.emitFile({ type: "asset", fileName: `license-${font}.txt`, source });
      }
    },
  };
}
