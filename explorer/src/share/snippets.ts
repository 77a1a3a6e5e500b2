/** An operation as a program of each client sends it. A key is never in it: it comes from a variable of the environment. */
import { objectOf } from "../variables/json";
import type { Shared } from "./link";

export interface Snippet {
  tool: string;
  text: string;
}

export interface Sharing extends Shared {
  origin: string;
  /** Whether the server wants a key. */
  keyed: boolean;
  subscribes: boolean;
  operationName?: string | undefined;
  /** The table of the rows of an unchanged saved query. */
  table?: string | undefined;
}

/** The name of the variable that holds the key, as the command line has it. */
const KEY = "GAMEHUB_GRAPH_KEY";

type Values = Record<string, unknown>;

export function snippets(sharing: Sharing): Snippet[] {
  const values = objectOf(sharing.variables) ?? {};
  if (sharing.subscribes) return [{ tool: "curl", text: curl(sharing, values) }];
  return [
    { tool: "curl", text: curl(sharing, values) },
    { tool: "fetch", text: fetching(sharing, values) },
    { tool: "Apollo Client", text: apollo(sharing, values) },
    { tool: "urql", text: urql(sharing, values) },
    { tool: "Python", text: python(sharing, values) },
    { tool: "Power Query", text: powerQuery(sharing, values) },
    ...(sharing.table === undefined ? [] : [{ tool: "Table (CSV)", text: tableAddress(sharing.origin, sharing.table, values) }]),
  ];
}

const some = (values: Values) => Object.keys(values).length > 0;

function body({ query }: Sharing, values: Values): string {
  return JSON.stringify({ query, ...(some(values) ? { variables: values } : {}) });
}

function curl(sharing: Sharing, values: Values): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  return [
    `curl ${sharing.subscribes ? "--no-buffer" : "--compressed"} --silent --show-error ${quoted(`${sharing.origin}/graphql`)}`,
    `--header ${quoted("Content-Type: application/json")}`,
    ...(sharing.subscribes ? [`--header ${quoted("Accept: text/event-stream")}`] : []),
    ...(sharing.keyed ? [`--header "Authorization: Bearer $${KEY}"`] : []),
    `--data-binary ${quoted(body(sharing, values))}`,
  ].join(" \\\n  ");
}

const template = (text: string) => `\`${text.replaceAll("\\", "\\\\").replaceAll("`", "\\`").replaceAll("${", "\\${")}\``;
const indented = (value: unknown, by: string) => JSON.stringify(value, null, 2).replaceAll("\n", `\n${by}`);

function fetching(sharing: Sharing, values: Values): string {
  const key = sharing.keyed ? `, authorization: \`Bearer \${process.env.${KEY}}\`` : "";
  return `const query = ${template(sharing.query)};
const variables = ${indented(values, "")};

const response = await fetch(${JSON.stringify(`${sharing.origin}/graphql`)}, {
  method: "POST",
  headers: { "content-type": "application/json", accept: "application/json"${key} },
  body: JSON.stringify({ query, variables }),
});
const { data, errors } = await response.json();
if (errors) throw new Error(errors[0].message);
console.log(JSON.stringify(data));
`;
}

function apollo(sharing: Sharing, values: Values): string {
  const key = sharing.keyed ? `, headers: { authorization: \`Bearer \${process.env.${KEY}}\` }` : "";
  return `import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";

const client = new ApolloClient({
  link: new HttpLink({ uri: ${JSON.stringify(`${sharing.origin}/graphql`)}${key} }),
  cache: new InMemoryCache(),
});

const query = gql${template(sharing.query)};

const { data } = await client.query({ query, variables: ${indented(values, "")} });
console.log(JSON.stringify(data));
`;
}

function urql(sharing: Sharing, values: Values): string {
  const key = sharing.keyed ? `\n  fetchOptions: { headers: { authorization: \`Bearer \${process.env.${KEY}}\` } },` : "";
  return `import { Client, fetchExchange, gql } from "@urql/core";

const client = new Client({
  url: ${JSON.stringify(`${sharing.origin}/graphql`)},
  preferGetMethod: false,
  exchanges: [fetchExchange],${key}
});

const query = gql${template(sharing.query)};

const { data, error } = await client.query(query, ${indented(values, "")});
if (error) throw error;
console.log(JSON.stringify(data));
`;
}

function python(sharing: Sharing, values: Values): string {
  const literal = (value: unknown, by = ""): string => {
    if (value === null || value === undefined) return "None";
    if (typeof value === "boolean") return value ? "True" : "False";
    if (Array.isArray(value)) return `[${value.map((each) => literal(each, by)).join(", ")}]`;
    if (typeof value !== "object") return JSON.stringify(value);
    const pairs = Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${literal(inner, by)}`);
    return `{${pairs.join(", ")}}`;
  };
  // Every JSON text is a Python text; one in three quotes is for people.
  const plain = !sharing.query.includes("\\") && !sharing.query.includes('"""') && !sharing.query.endsWith('"');
  const query = plain ? `"""\\\n${sharing.query}"""` : JSON.stringify(sharing.query);
  const key = sharing.keyed ? `\n    headers={"Authorization": "Bearer " + os.environ["${KEY}"]},` : "";
  return `import json
${sharing.keyed ? "import os\n" : ""}
import httpx

QUERY = ${query}

answer = httpx.post(
    ${JSON.stringify(`${sharing.origin}/graphql`)},
    json={"query": QUERY, "variables": ${literal(values)}},${key}
    timeout=60,
).json()
if "errors" in answer:
    raise SystemExit(answer["errors"][0]["message"])
print(json.dumps(answer["data"]))
`;
}

function powerQuery(sharing: Sharing, values: Values): string {
  const quoted = (text: string) =>
    `"${text.replaceAll("#(", "#(#)(").replaceAll('"', '""').replaceAll("\r", "").replaceAll("\n", "#(lf)").replaceAll("\t", "#(tab)")}"`;
  const literal = (value: unknown): string => {
    if (value === null || value === undefined) return "null";
    if (Array.isArray(value)) return `{${value.map(literal).join(", ")}}`;
    if (typeof value === "string") return quoted(value);
    if (typeof value !== "object") return String(value);
    return `[${Object.entries(value).map(([name, inner]) => `#${quoted(name)} = ${literal(inner)}`).join(", ")}]`;
  };
  const key = sharing.keyed ? `, Authorization = "Bearer " & ${KEY}` : "";
  return `${sharing.keyed ? `// ${KEY} is a parameter of the workbook that holds the key.\n` : ""}let
    Query = ${quoted(sharing.query)},
    Answer = Json.Document(
        Web.Contents(${quoted(sharing.origin)}, [
            RelativePath = "graphql",
            Headers = [#"Content-Type" = "application/json", Accept = "application/json"${key}],
            Content = Json.FromValue([query = Query, variables = ${literal(values)}])
        ])
    ),
    Data = if Record.HasFields(Answer, "errors") then error Answer[errors]{0}[message] else Answer[data]
in
    Data
`;
}

/** The address of the table of a saved query: its variables as parameters, its period as a window of time. */
export function tableAddress(origin: string, table: string, values: Values): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== "object" || value === null) {
      if (value !== null) found.append(name, String(value));
    } else if (Array.isArray(value)) {
      for (const each of value) found.append(name, String(each));
    } else {
      for (const [place, text] of window(value as Record<string, any>)) found.append(place, text);
    }
  }
  const query = String(found);
  return `${origin}/tables/${table}.csv${query ? `?${query}` : ""}`;
}

function window({ frame, dates, between }: Record<string, any>): [string, string][] {
  if (frame) return [["period", String(frame).toLowerCase()]];
  if (dates) {
    const next = new Date(Date.parse(`${dates.to}T00:00Z`) + 86_400_000); // `until` is not included
    return [["since", dates.from], ...(Number.isNaN(next.getTime()) ? [] : [["until", next.toISOString().slice(0, 10)] as [string, string]])];
  }
  return between ? [["since", between.from], ["until", between.until]] : [];
}
