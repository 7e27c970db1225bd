import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { readText, ROOT } from "./source-files.ts";

/** A product of three files, under the configuration of this checkout. */
function checkUnused(files: Readonly<Record<string, string>>): { status: number | null; found: string } {
  const directory = mkdtempSync(join(tmpdir(), "postern-unused-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  for (const name of ["knip.config.ts", "tsconfig.json"]) cpSync(join(ROOT, name), join(directory, name));
  const { type, scripts } = JSON.parse(readText("package.json")) as {
    readonly type: string;
    readonly scripts: Readonly<Record<string, string>>;
  };
  // With vitest, so that tests are entries; used by a script, so that it is not dead itself.
  const manifest = {
    name: "planted",
    type,
    scripts: { test: "vitest run" },
    devDependencies: { vitest: "*" },
  };
  writeFileSync(join(directory, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(directory, "vitest.config.js"), "export default {};\n");
  for (const folder of ["core", "worker"]) mkdirSync(join(directory, folder));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(directory, path), text);
  const PATH = `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  const { status, stdout } = spawnSync("sh", ["-c", scripts["check:unused"] ?? "exit 99"], {
    cwd: directory,
    encoding: "utf8",
    env: { ...process.env, PATH },
  });
  return { status, found: stdout };
}

/** Each test starts knip twice, some 2 s on a machine to itself. */
const RUN_MS = 180_000;

const MAIN = 'import { one } from "../core/one.ts";\n\none();\n';
const ONE = "export const one = (): number => 1;\n";

it(
  "passes what the product uses, and an export that its own file uses and a test imports",
  () => {
    const inner = "export const inner = (): number => 1;\nexport const one = (): number => inner();\n";
    const test = 'import { inner } from "./one.ts";\n\ninner();\n';
    const files = { "worker/main.ts": MAIN, "core/one.ts": inner, "core/one.test.ts": test };
    expect(checkUnused(files)).toMatchObject({ status: 0 });
  },
  RUN_MS,
);

it.each([
  [
    "that nothing imports",
    { "core/unused.ts": ONE, "core/one.ts": `${ONE}export const unusedExport = 2;\n` },
  ],
  [
    "that only tests use",
    {
      "core/unused.ts": ONE,
      "core/unused.test.ts": 'import { one } from "./unused.ts";\n\none();\n',
      "core/one.ts": `${ONE}export const unusedExport = 2;\n`,
      "core/one.test.ts": 'import { unusedExport } from "./one.ts";\n\nString(unusedExport);\n',
    },
  ],
])(
  "npm run check:unused fails with a file and an export %s, and names both",
  (_title, planted) => {
    const { status, found } = checkUnused({ "worker/main.ts": MAIN, ...planted });
    expect(status).toBe(1);
    expect(found).toMatch(/^core\/unused\.ts\b/mu);
    expect(found).toMatch(/^unusedExport\b/mu);
  },
  RUN_MS,
);
