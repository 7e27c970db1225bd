import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { licencesOf, writeTypes } from "./build-sdk.ts";

/**
 * What `npm pack --workspace iac/pulumi` publishes: the resources, and the provider that Pulumi starts in a
 * process of its engine, each as one file without dependencies besides Pulumi.
 */

const PACKAGE = join(import.meta.dirname, "../iac/pulumi");
const DIST = join(PACKAGE, "dist");
/** Packages whose code is in the bundles. */
const BUNDLED = ["openapi-fetch", "@cfworker/json-schema"];

/** Of the API's document, the schemas: routes and examples of answers are most of it. */
const SCHEMAS_ALONE: Plugin = {
  name: "schemas-alone",
  setup: (building) => {
    building.onLoad({ filter: /openapi\.json$/ }, ({ path }) => {
      const { components } = JSON.parse(readFileSync(path, "utf8")) as { components: { schemas: unknown } };
      return { contents: JSON.stringify({ components: { schemas: components.schemas } }), loader: "json" };
    });
  },
};

const bundle = (options: BuildOptions): Promise<unknown> =>
  build({
    absWorkingDir: PACKAGE,
    bundle: true,
    platform: "node",
    target: "es2022",
    external: ["@pulumi/pulumi"],
    plugins: [SCHEMAS_ALONE],
    legalComments: "none",
    logLevel: "warning",
    ...options,
  });

if (import.meta.main) {
  rmSync(DIST, { recursive: true, force: true });
  writeTypes(PACKAGE, join(DIST, "types"));
  await bundle({ entryPoints: ["src/index.ts"], format: "esm", outfile: "dist/index.js" });
  // The engine's server loads it by `require`.
  await bundle({ entryPoints: ["src/provider.ts"], format: "cjs", outfile: "dist/provider.cjs" });
  writeFileSync(join(DIST, "THIRD-PARTY-LICENSES.txt"), licencesOf(PACKAGE, BUNDLED));
}
