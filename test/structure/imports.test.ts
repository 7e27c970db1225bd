import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkImports } from "../../scripts/check-imports.ts";

const ROOT = join(import.meta.dirname, "../..");
const RULES = join(ROOT, ".dependency-cruiser.mjs");

/** A small house that keeps every rule; each case below breaks one. */
const HOUSE: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({
    type: "module",
    dependencies: { zod: "*", hono: "*", "smtp-server": "*", pino: "*" },
    devDependencies: { "fast-check": "*", vitest: "*" },
  }),
  "core/port.ts": `import { z } from "zod";\nimport { createHash } from "node:crypto";\nexport const port = [z, createHash];`,
  "adapters/local/store.ts": `import { DatabaseSync } from "node:sqlite";\nimport { port } from "../../core/port.ts";\nexport const store = [port, DatabaseSync];`,
  "adapters/openssl/verify.ts": `import { port } from "../../core/port.ts";\nexport const verify = port;`,
  "functions/api/app.ts": `import { Hono } from "hono";\nimport { port } from "../../core/port.ts";\nexport const app = [Hono, port];`,
  "functions/api/app.test.ts": `import { it } from "vitest";\nimport { store } from "../../adapters/local/store.ts";\nit("x", () => store);`,
  "worker/session/door.ts": `import { SMTPServer } from "smtp-server";\nexport const door = SMTPServer;`,
  "worker/main.ts": `import { store } from "../adapters/local/store.ts";\nexport const main = store;`,
  "worker/config/config.ts": `export const parseConfig = 1;`,
  "worker/telemetry/metric-table.ts": `export const METRICS = 1;`,
  "functions/api/api-config.ts": `export const schema = 1;`,
  "adapters/aws/aws-config.ts": `export const schema = 1;`,
  "local/main.ts": `import { app } from "../functions/api/app.ts";\nimport { main } from "../worker/main.ts";\nimport { store } from "../adapters/local/store.ts";\nexport const all = [app, main, store];`,
  "test/support/fake.ts": `export const fake = 1;`,
};

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "postern-imports-"));
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

async function faultsWith(planted: Readonly<Record<string, string>>): Promise<readonly string[]> {
  for (const [path, text] of Object.entries({ ...HOUSE, ...planted })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const { faults } = await checkImports({ root, rules: RULES, fewestModules: 5 });
  return faults;
}

const importing = (specifier: string): string =>
  `import * as it from "${specifier}";\nexport const used = it;`;

describe("the import rules", () => {
  it("are kept by the product", async () => {
    const { modules, faults } = await checkImports({ root: ROOT, rules: RULES, fewestModules: 50 });
    expect(faults).toEqual([]);
    expect(modules).toBeGreaterThan(50);
  });

  it("find nothing in a house that keeps them", async () => {
    expect(await faultsWith({})).toEqual([]);
  });

  it("fail a run that read too few modules", async () => {
    writeFileSync(join(root, "package.json"), "{}");
    const { faults } = await checkImports({ root, rules: RULES, fewestModules: 50 });
    expect(faults).toEqual(["only 0 modules were read, at least 50 are there"]);
  });

  it.each([
    ["core-is-pure", "core/a.ts", "node:fs"],
    ["core-is-pure", "core/a.ts", "fs/promises"],
    ["core-is-pure", "core/a.ts", "node:net"],
    ["core-is-pure", "core/a.ts", "node:tls"],
    ["core-is-pure", "core/a.ts", "node:http"],
    ["core-is-pure", "core/a.ts", "node:child_process"],
    ["core-is-pure", "core/a.ts", "node:sqlite"],
    ["core-is-pure", "core/a.ts", "hono"],
    ["core-is-pure", "core/a.ts", "../adapters/local/store.ts"],
    ["core-is-pure", "core/a.ts", "../worker/session/door.ts"],
    ["adapters-see-core-only", "adapters/local/a.ts", "../../functions/api/app.ts"],
    ["adapters-see-core-only", "adapters/local/a.ts", "../../worker/session/door.ts"],
    ["adapter-families-do-not-meet", "adapters/local/a.ts", "../openssl/verify.ts"],
    ["functions-and-worker-do-not-meet", "functions/api/a.ts", "../../worker/session/door.ts"],
    ["functions-and-worker-do-not-meet", "functions/api/a.ts", "smtp-server"],
    ["lambdas-take-the-edge-context", "functions/api/lambda.ts", "../../worker/session/door.ts"],
    ["worker-and-functions-do-not-meet", "worker/a.ts", "../functions/api/app.ts"],
    ["worker-and-functions-do-not-meet", "worker/a.ts", "hono"],
    ["adapters-are-wired-in-composition-roots", "worker/session/a.ts", "../../adapters/local/store.ts"],
    ["adapters-are-wired-in-composition-roots", "functions/api/a.ts", "../../adapters/local/store.ts"],
    ["smtp-server-in-the-session-room", "local/a.ts", "smtp-server"],
    ["smtp-server-behind-one-door", "worker/session/second.ts", "smtp-server/lib/smtp-connection.js"],
    ["product-never-imports-tests", "worker/a.ts", "../test/support/fake.ts"],
    ["product-needs-no-dev-packages", "worker/a.ts", "fast-check"],
    ["resolves", "worker/a.ts", "./nowhere.ts"],
    ["infra-takes-types-and-parsers", "infra/a.ts", "../worker/main.ts"],
    ["infra-takes-types-and-parsers", "infra/a.ts", "../adapters/local/store.ts"],
    ["infra-takes-types-and-parsers", "infra/a.ts", "../functions/api/app.ts"],
  ])("%s: sees %s import %s", async (rule, path, specifier) => {
    const faults = await faultsWith({ [path]: importing(specifier) });
    expect(faults.filter((fault) => fault.startsWith(`${rule}:`))).toHaveLength(1);
  });

  it("see two files that need each other", async () => {
    const faults = await faultsWith({ "core/a.ts": importing("./b.ts"), "core/b.ts": importing("./a.ts") });
    expect(faults.some((fault) => fault.startsWith("no-cycles:"))).toBe(true);
  });

  it.each([
    [`import type { main } from "../worker/main.ts";\nexport type A = typeof main;`, 0],
    [`import type { store } from "../adapters/local/store.ts";\nexport type A = typeof store;`, 0],
    [`import { type main } from "../worker/main.ts";\nexport type A = typeof main;`, 1],
    [`export const later = () => import("../worker/main.ts");`, 1],
    [`import { port } from "../core/port.ts";\nexport const parsed = port;`, 0],
    [`import { parseConfig } from "../worker/config/config.ts";\nexport const parsed = parseConfig;`, 0],
    [`import { METRICS } from "../worker/telemetry/metric-table.ts";\nexport const names = METRICS;`, 0],
    [`import { schema } from "../functions/api/api-config.ts";\nexport const parsed = schema;`, 0],
    [`import { schema } from "../adapters/aws/aws-config.ts";\nexport const parsed = schema;`, 0],
  ])("let infra take types and the parsers of environments, and nothing else: %j", async (text, faults) => {
    expect(await faultsWith({ "infra/a.ts": text })).toHaveLength(faults);
  });

  it("see what is imported for its type alone", async () => {
    const faults = await faultsWith({
      "core/a.ts": `import type { door } from "../worker/session/door.ts";\nexport type A = typeof door;`,
    });
    expect(faults).toHaveLength(1);
  });
});
