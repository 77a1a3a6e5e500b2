/** The JSON of variables, as the editor has it. */

/** The object of a text; undefined if the text is none. */
export function objectOf(text: string): Record<string, unknown> | undefined {
  if (!text.trim()) return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export function textOf(variables: Record<string, unknown>): string {
  return Object.keys(variables).length ? JSON.stringify(variables, null, 2) : "";
}
