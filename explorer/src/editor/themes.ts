/** The colours of the editors. `monaco.ts` defines them. */
export const THEMES = { dark: "explorer-dark", light: "explorer-light" };
