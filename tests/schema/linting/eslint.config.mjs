import plugin from "@graphql-eslint/eslint-plugin";

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: plugin.parser,
      parserOptions: { graphQLConfig: { schema: "schema.graphql" } },
    },
    plugins: { "@graphql-eslint": plugin },
    rules: { ...plugin.configs["flat/schema-recommended"].rules, ...plugin.configs["flat/schema-relay"].rules },
  },
];
