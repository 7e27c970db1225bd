/// <reference path="./.sst/platform/config.d.ts" />

// No import at the top: SST evaluates `app()` before any provider or global exists, and refuses them. What is
// deployed is in infra/, of which iac/sst/ makes a component, and docs/deploy.md says how. The region comes
// from AWS_REGION or the profile, as for every AWS tool.
export default $config({
  app(input) {
    const isProduction = input.stage === "production";
    return {
      name: "postern",
      home: "aws",
      removal: isProduction ? "retain-all" : "remove",
      protect: isProduction,
      providers: { aws: "7.20.0" },
    };
  },
  async run() {
    const { Postern } = await import("./iac/sst/postern.ts");
    return new Postern("", { environment: process.env }).outputs;
  },
});
