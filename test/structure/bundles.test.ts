import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bundle, type BundleName, BUNDLES, buildBundle, bundleEntry } from "../../scripts/bundles.ts";
import { startApi } from "../support/api.ts";
import { readText } from "./source-files.ts";

/** Lambda's cold starts grow with it. */
const MAX_API_BYTES = 1_800_000;
const MAX_GROWTH = 1.05;
/** Of bytes that a cold start reads and compiles, beside those of the packages alone. */
const MAX_START_RATIO = 1;
const EXIT_WRONG_ENVIRONMENT = 78;
const names = Object.keys(BUNDLES) as BundleName[];

let directory = "";
const built = new Map<BundleName, Bundle>();

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "postern-bundles-"));
  for (const name of names) built.set(name, await buildBundle(name, join(directory, name)));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const bundle = (name: BundleName): Bundle => {
  const found = built.get(name);
  if (found === undefined) throw new Error(`${name} was not built`);
  return found;
};

describe("a bundle", () => {
  const recorded = JSON.parse(readText("scripts/bundle-sizes.json")) as Readonly<Record<string, number>>;

  it.each(names)("%s is at most 5 % larger than scripts/bundle-sizes.json says", (name) => {
    expect(bundle(name).bytes).toBeLessThanOrEqual((recorded[name] ?? 0) * MAX_GROWTH);
  });

  it("api is at most 1.8 MB, including everything that it may load later", () => {
    expect(bundle("api").bytes).toBeLessThanOrEqual(MAX_API_BYTES);
  });

  // Bytes, not CPU: a share of CPU time on a shared machine failed in two of three runs (bench/import-cpu.ts
  // measures it).
  it("api reads no more at start than hono, zod-openapi and the DynamoDB client are", async () => {
    const source = { entry: "bench/import-baseline.ts", file: "baseline", splits: true };
    const baseline = await bundleEntry(source, join(directory, "baseline"));
    expect(bundle("api").bytesAtStart / baseline.bytesAtStart).toBeLessThanOrEqual(MAX_START_RATIO);
  });
});

/** What the bundled API answers to an event of API Gateway. */
function askApi(path: string): unknown {
  const event = {
    version: "2.0",
    rawPath: path,
    rawQueryString: "",
    headers: { host: "api.example" },
    isBase64Encoded: false,
    requestContext: { domainName: "api.example", http: { method: "GET", path } },
  };
  const program = `
    const { handler } = await import(${JSON.stringify(pathToFileURL(bundle("api").path).href)});
    const { body } = await handler(${JSON.stringify(event)});
    process.stdout.write(body, () => process.exit(0));`;
  const options = { encoding: "utf8", maxBuffer: 16 * 1024 * 1024 } as const;
  const env = { AWS_REGION: "eu-central-1", LOG_LEVEL: "silent", ...RIGHT };
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    ...options,
    env,
  });
  return JSON.parse(stdout);
}

function start(name: BundleName, env: Readonly<Record<string, string>>) {
  const program = `await import(${JSON.stringify(pathToFileURL(bundle(name).path).href)}); process.exit(0);`;
  return spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
    env: { AWS_REGION: "eu-central-1", ...env },
  });
}

const RIGHT = {
  TABLE_NAME: "postern",
  KEY_BUCKET: "postern-keys",
  KEY_KMS_KEY_ID: "alias/postern",
  SMTP_NAME: "mx.example.com",
};

describe("a function that starts", () => {
  it.each(["api", "schedule"] as const)("%s ends with 78 without its variables, naming each", (name) => {
    const { status, stderr } = start(name, {});
    expect(status).toBe(EXIT_WRONG_ENVIRONMENT);
    for (const variable of ["TABLE_NAME", "KEY_BUCKET", "KEY_KMS_KEY_ID"])
      expect(stderr).toContain(`${variable}: is not set`);
  });

  it.each([
    ["API_AUTH", "everyone", "API_AUTH: must be iam, jwt or token"],
    ["TABLE_NAME", "a secret/table", "TABLE_NAME: must be the name of a DynamoDB table"],
  ])("api ends with 78 when %s is %j, and does not repeat it", (variable, value, reason) => {
    const { status, stderr } = start("api", { ...RIGHT, [variable]: value });
    expect(status).toBe(EXIT_WRONG_ENVIRONMENT);
    expect(stderr).toContain(reason);
    expect(stderr).not.toContain(value);
  });

  // What scripts/bundles.ts leaves out of zod is not needed for it.
  it("api makes the whole OpenAPI document", async () => {
    const { app } = await startApi();
    const document: unknown = await (await app.request("/openapi.json")).json();
    const bundled = JSON.stringify(askApi("/openapi.json")).replaceAll(/"bearer":\{[^}]*\}/g, "");
    expect(bundled).toBe(JSON.stringify(document).replaceAll(/"bearer":\{[^}]*\}/g, ""));
  });

  it.each(["api", "schedule"] as const)("%s starts with its variables", (name) => {
    expect(start(name, RIGHT)).toMatchObject({ status: 0, stderr: "" });
  });
});
