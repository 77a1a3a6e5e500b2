import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "../../schema/schema.graphql",
  documents: ["group.ts"],
  generates: {
    "generated/": {
      preset: "client",
      config: {
        documentMode: "string",
        strictScalars: true,
        // Decimals are texts: a number of JavaScript would lose digits.
        scalars: { Date: "string", DateTime: "string", Decimal: "string", _Any: "never" },
      },
    },
  },
};

export default config;
