import plugin from "@graphql-eslint/eslint-plugin";

const recommended = plugin.configs["flat/schema-recommended"].rules;
const relay = plugin.configs["flat/schema-relay"].rules;

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: plugin.parser,
      parserOptions: { graphQLConfig: { schema: "schema.graphql" } },
    },
    plugins: { "@graphql-eslint": plugin },
    rules: {
      ...recommended,
      ...relay,
      // `User.username` is the word of the reports, and `Node.nodeId` stands beside `id`. The rule has no exceptions.
      "@graphql-eslint/no-typename-prefix": "off",
      // These belong to their parent. An id would be made up, and caches would take it for a key (C31).
      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          exceptions: {
            types: [
              "DailyMovement",
              "DailyTotals",
              "FinancialMovement",
              "GameConfiguration",
              "GameJackpot",
              "PageInfo",
              "Prize",
              "ProgressiveJackpot",
              "TicketParty",
              "TicketWin",
              "Winner",
            ],
            suffixes: ["Amount", "Bucket", "BucketKey", "Connection", "Edge", "Sum", "Totals"],
          },
        },
      ],
      // Lists are paged forwards only: a report cannot be read from its end.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      // `nodes` lists the items without edges, a few short lists have no pages, and a financial movement has no id.
      "@graphql-eslint/relay-edge-types": [
        "error",
        { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false },
      ],
    },
  },
];
