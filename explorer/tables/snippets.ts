/** How each tool reads the table: to copy, with the address as the form has it. */

export interface Address {
  name: string;
  origin: string;
  query: string;
}

export interface Snippet {
  tool: string;
  text: string;
}

export function snippets({ name, origin, query }: Address): Snippet[] {
  const url = (form: string) => `${origin}/tables/${name}.${form}${query ? `?${query}` : ""}`;
  const pairs = [...new URLSearchParams(query)];
  const record = pairs.map(([key, value]) => `${key} = "${value.replaceAll('"', '""')}"`).join(", ");
  const root = `${origin}/odata${query ? `/${query}` : ""}`;
  return [
    { tool: "curl", text: `curl --fail --compressed -o ${name}.csv \\\n  '${url("csv")}'` },
    {
      tool: "pandas",
      text: `import pandas\n\nframe = pandas.read_parquet(\n    "${url("parquet")}"\n)`,
    },
    {
      tool: "polars",
      text: `import polars\n\nframe = polars.scan_parquet(\n    "${url("parquet")}"\n).collect()`,
    },
    {
      tool: "DuckDB",
      text: `INSTALL httpfs; LOAD httpfs;\nSELECT *\nFROM read_parquet('${url("parquet")}');`,
    },
    {
      tool: "pyarrow",
      text: `import urllib.request\n\nimport pyarrow as pa\n\nwith urllib.request.urlopen(\n    "${url("arrow")}"\n) as answer:\n    table = pa.ipc.open_stream(answer).read_all()`,
    },
    {
      tool: "R",
      text: `library(arrow)\n\nfile <- tempfile(fileext = ".parquet")\ndownload.file(\n  "${url("parquet")}",\n  file, mode = "wb"\n)\ntable <- read_parquet(file)`,
    },
    {
      tool: "Power BI / Excel",
      text: `let\n    Source = OData.Feed(\n        "${origin}/odata", null,\n        [Implementation = "2.0"${record ? `, Query = [${record}]` : ""}]\n    ),\n    Rows = Source{[Name = "${name}", Signature = "table"]}[Data]\nin\n    Rows`,
    },
    {
      tool: "Power BI / Excel (CSV)",
      text: `let\n    Source = Csv.Document(\n        Web.Contents("${origin}", [RelativePath = "tables/${name}.csv"${record ? `, Query = [${record}]` : ""}]),\n        [Delimiter = ",", Encoding = 65001, QuoteStyle = QuoteStyle.Csv]\n    ),\n    Rows = Table.PromoteHeaders(Source)\nin\n    Rows`,
    },
    { tool: "Tableau", text: `Connect > To a Server > OData\nServer: ${root}/` },
    { tool: "Google Sheets", text: `=IMPORTDATA("${url("csv")}")` },
    {
      tool: "Grafana Infinity",
      text: `Type: CSV, or JSON with the parser JSONata\nSource: URL, method GET\nURL: ${url("csv")}`,
    },
  ];
}
