import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkImports } from "../../scripts/check-imports.ts";
import { CORE_FLOORS, PACKAGES, WORKER_FLOORS } from "../../scripts/import-tables.ts";

const ROOT = join(import.meta.dirname, "../..");
const RULES = join(ROOT, ".dependency-cruiser.mjs");

/** A small house that keeps every rule; the cases below break them. */
const HOUSE: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({
    type: "module",
    dependencies: {
      zod: "*",
      hono: "*",
      "@hono/zod-openapi": "*",
      "@peculiar/x509": "*",
      "smtp-server": "*",
      pino: "*",
      "ipaddr.js": "*",
    },
    devDependencies: { "fast-check": "*", vitest: "*" },
  }),
  "core/errors.ts": `import type { z } from "zod";\nexport type Shape = z.ZodType;`,
  ...Object.fromEntries(CORE_FLOORS.map((floor) => [`core/${floor}/door.ts`, `export const door = 1;`])),
  "core/x509/certificate.ts": `import { createHash } from "node:crypto";\nimport { door } from "../name/door.ts";\nexport const certificate = [createHash, door];`,
  "core/store/port.ts": `import { z } from "zod";\nimport { certificate } from "../x509/certificate.ts";\nexport const port = [z, certificate];`,
  "adapters/aws/aws-config.ts": `export const schema = 1;`,
  "adapters/local/door.ts": `import { DatabaseSync } from "node:sqlite";\nimport { port } from "../../core/store/port.ts";\nexport const door = [port, DatabaseSync];`,
  "adapters/openssl/door.ts": `import { port } from "../../core/store/port.ts";\nexport const door = port;`,
  "adapters/smtp/door.ts": `export const door = 1;`,
  "functions/api/api-config.ts": `export const schema = 1;`,
  "functions/schedule/schedule-config.ts": `export const schema = 1;`,
  "functions/api/door.ts": `import { OpenAPIHono } from "@hono/zod-openapi";\nimport { port } from "../../core/store/port.ts";\nexport const door = [OpenAPIHono, port];`,
  "functions/api/door.test.ts": `import { it } from "vitest";\nimport { door } from "../../adapters/local/door.ts";\nit("x", () => door);`,
  ...Object.fromEntries(WORKER_FLOORS.map((floor) => [`worker/${floor}/door.ts`, `export const door = 1;`])),
  "worker/session/smtp.ts": `import { SMTPServer } from "smtp-server";\nimport { door } from "../tls/door.ts";\nexport const smtp = [SMTPServer, door];`,
  "worker/config/config.ts": `export const parseConfig = 1;`,
  "worker/telemetry/metric-table.ts": `export const METRICS = 1;`,
  "worker/main.ts": `import { door } from "../adapters/local/door.ts";\nimport { smtp } from "./session/smtp.ts";\nexport const main = [door, smtp];`,
  "local/main.ts": `import { door } from "../functions/api/door.ts";\nimport { main } from "../worker/main.ts";\nexport const all = [door, main];`,
  "test/support/fake.ts": `export const fake = 1;`,
  "bench/door.ts": `export const door = 1;`,
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

/** A rule, a file that breaks it, and the import by which it does. */
const BREACHES: readonly (readonly [string, string, string])[] = [
  ["core-is-pure", "core/policy/a.ts", "../../adapters/local/door.ts"],
  ["core-is-pure", "core/policy/b.ts", "../../worker/session/door.ts"],
  ["ground-of-core", "core/a.ts", "./name/door.ts"],
  ["no-other-folder", "core/certificate/a.ts", "../errors.ts"],
  ["no-other-folder", "worker/health/deeper/a.ts", "../door.ts"],
  ["adapters-see-core-only", "adapters/local/a.ts", "../../functions/api/door.ts"],
  ["adapters-see-core-only", "adapters/local/b.ts", "../../worker/session/door.ts"],
  ["adapter-families-do-not-meet", "adapters/local/c.ts", "../openssl/door.ts"],
  ["functions-and-worker-do-not-meet", "functions/api/a.ts", "../../worker/session/door.ts"],
  ["lambdas-take-the-edge-context", "functions/api/lambda.ts", "../../worker/session/door.ts"],
  ["worker-and-functions-do-not-meet", "worker/a.ts", "../functions/api/door.ts"],
  ["adapters-are-wired-in-composition-roots", "worker/session/a.ts", "../../adapters/local/door.ts"],
  ["adapters-are-wired-in-composition-roots", "worker/worker.ts", "../adapters/local/door.ts"],
  ["adapters-are-wired-in-composition-roots", "functions/api/b.ts", "../../adapters/local/door.ts"],
  ["smtp-server-behind-one-door", "worker/session/second.ts", "smtp-server/lib/smtp-connection.js"],
  ["product-never-imports-tests", "worker/b.ts", "../test/support/fake.ts"],
  ["product-never-imports-tests", "worker/c.ts", "../bench/door.ts"],
  ["product-needs-no-dev-packages", "worker/d.ts", "fast-check"],
  ["resolves", "worker/e.ts", "./nowhere.ts"],
  ["infra-takes-types-and-parsers", "infra/a.ts", "../worker/main.ts"],
  ["infra-takes-types-and-parsers", "infra/b.ts", "../adapters/local/door.ts"],
  ["infra-takes-types-and-parsers", "infra/c.ts", "../functions/api/door.ts"],
  ["pulumi-takes-the-sdk", "iac/pulumi/src/a.ts", "../../../core/store/port.ts"],
  ["component-takes-infra", "iac/sst/a.ts", "../../core/store/port.ts"],
];

/** A module of infra/, and how many rules it breaks. */
const IN_INFRA: readonly (readonly [string, number])[] = [
  [`import type { main } from "../worker/main.ts";\nexport type A = typeof main;`, 0],
  [`import type { door } from "../adapters/local/door.ts";\nexport type A = typeof door;`, 0],
  [`import { type main } from "../worker/main.ts";\nexport type A = typeof main;`, 1],
  [`export const later = () => import("../worker/main.ts");`, 1],
  [`import { port } from "../core/store/port.ts";\nexport const parsed = port;`, 0],
  [`import { parseConfig } from "../worker/config/config.ts";\nexport const parsed = parseConfig;`, 0],
  [`import { METRICS } from "../worker/telemetry/metric-table.ts";\nexport const names = METRICS;`, 0],
  [`import { schema } from "../functions/api/api-config.ts";\nexport const parsed = schema;`, 0],
  [`import { schema } from "../functions/schedule/schedule-config.ts";\nexport const parsed = schema;`, 0],
  [`import { schema } from "../adapters/aws/aws-config.ts";\nexport const parsed = schema;`, 0],
];

const infraFile = (index: number): string => `infra/case-${index}.ts`;

describe("the import rules", () => {
  it("are kept by the product", async () => {
    const { modules, faults } = await checkImports({ root: ROOT, rules: RULES, fewestModules: 50 });
    expect(faults).toEqual([]);
    expect(modules).toBeGreaterThan(50);
  });

  it("report nothing for a tree that keeps them", async () => {
    expect(await faultsWith({})).toEqual([]);
  });

  it("fail a run that read too few modules", async () => {
    writeFileSync(join(root, "package.json"), "{}");
    const { faults } = await checkImports({ root, rules: RULES, fewestModules: 50 });
    expect(faults).toEqual(["only 0 modules were read, at least 50 are there"]);
  });

  it("see every breach, each by its rule", async () => {
    const planted = BREACHES.map(([, path, specifier]) => [path, importing(specifier)]);
    const faults = await faultsWith(Object.fromEntries(planted));
    const seen = ([rule, path]: (typeof BREACHES)[number]): boolean =>
      faults.some((fault) => fault.startsWith(`${rule}:`) && fault.includes(path));
    expect(BREACHES.filter((breach) => !seen(breach))).toEqual([]);
    expect(Object.keys(Object.fromEntries(planted))).toHaveLength(BREACHES.length);
  });

  it("report two files that import each other", async () => {
    const faults = await faultsWith({
      "core/a.ts": importing("./b.ts"),
      "core/b.ts": importing("./a.ts"),
    });
    expect(faults.some((fault) => fault.startsWith("no-cycles:"))).toBe(true);
  });

  it("let infra take types and the parsers of environments, and nothing else", async () => {
    const faults = await faultsWith(
      Object.fromEntries(IN_INFRA.map(([text], index) => [infraFile(index), text])),
    );
    const found = IN_INFRA.map(([text], index) => [
      text,
      faults.filter((fault) => fault.includes(`: ${infraFile(index)} imports `)).length,
    ]);
    expect(found).toEqual(IN_INFRA);
  });

  it("report imports of types only", async () => {
    const faults = await faultsWith({
      "core/policy/a.ts": `import type { door } from "../../worker/session/door.ts";\nexport type A = typeof door;`,
    });
    expect(faults).toHaveLength(1);
  });
});

const TABLE_ROW = /^\| `([^`]+)` \| [^|]* \| ([^|]*) \|$/gm;
const ROWS = [...readFileSync(join(ROOT, "docs/architecture.md"), "utf8").matchAll(TABLE_ROW)].map(
  ([, folder = "", packages = ""]) => ({
    folder,
    packages: [...packages.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
  }),
);

/** No folder has these: neither of its packages nor of its modules. */
const FOREIGN_MODULE = "node:worker_threads";
const FOREIGN_PACKAGES = ["hono", "zod"];

/** A module of the product that a folder may not import: the next floor up, or another room. */
function foreignModuleOf(folder: string): string {
  const [room = "", floor] = folder.split("/");
  const floors = room === "core" ? CORE_FLOORS : room === "worker" ? WORKER_FLOORS : [];
  const above = floor === undefined ? undefined : floors[floors.indexOf(floor) + 1];
  if (above !== undefined) return `${room}/${above}/door.ts`;
  switch (folder) {
    case "core":
      return "core/name/door.ts";
    case "worker/process":
      return "worker/main.ts";
    case "functions":
    case "functions/api":
    case "functions/schedule":
    case "infra":
    case "iac/sst":
      return "worker/session/door.ts";
    case "local":
      return "test/support/fake.ts";
    default:
      return "functions/api/door.ts";
  }
}

describe("the table of docs/architecture.md", () => {
  it("has a row for each folder, with its packages, in the order of the floors", () => {
    expect(ROWS).toEqual(Object.entries(PACKAGES).map(([folder, packages]) => ({ folder, packages })));
    const floorsOf = (room: string): readonly string[] =>
      ROWS.flatMap(({ folder }) => (folder.startsWith(`${room}/`) ? folder.slice(room.length + 1) : []));
    expect(floorsOf("core")).toEqual(CORE_FLOORS);
    expect(floorsOf("worker")).toEqual(WORKER_FLOORS);
  });

  it("holds in each row: a planted package, built-in module and module of the product fail", async () => {
    const planted = ROWS.flatMap(({ folder, packages }) => {
      const foreignPackage = FOREIGN_PACKAGES.find((name) => !packages.includes(name)) ?? "";
      const own = relative(folder, foreignModuleOf(folder));
      return [
        { path: `${folder}/planted-package.ts`, specifier: foreignPackage },
        { path: `${folder}/planted-built-in.ts`, specifier: FOREIGN_MODULE },
        { path: `${folder}/planted-module.ts`, specifier: own.startsWith(".") ? own : `./${own}` },
      ];
    });
    const faults = await faultsWith(
      Object.fromEntries(planted.map(({ path, specifier }) => [path, importing(specifier)])),
    );
    const seen = (path: string): boolean => faults.some((fault) => fault.includes(`: ${path} imports `));
    expect(planted.filter(({ path }) => !seen(path))).toEqual([]);
    expect(planted).toHaveLength(3 * Object.keys(PACKAGES).length);
  });
});
