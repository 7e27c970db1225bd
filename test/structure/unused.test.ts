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

const MAIN = 'import { one } from "../core/one.ts";\n\none();\n';
const ONE = "export const one = (): number => 1;\n";

it("passes code that the product uses", () => {
  expect(checkUnused({ "worker/main.ts": MAIN, "core/one.ts": ONE })).toMatchObject({ status: 0 });
});

it("passes an export that its own file uses and a test imports", () => {
  const inner = "export const inner = (): number => 1;\nexport const one = (): number => inner();\n";
  const test = 'import { inner } from "./one.ts";\n\ninner();\n';
  const files = { "worker/main.ts": MAIN, "core/one.ts": inner, "core/one.test.ts": test };
  expect(checkUnused(files)).toMatchObject({ status: 0 });
});

it.each([
  ["a file that nothing imports", { "core/two.ts": ONE }, "core/two.ts"],
  ["an export that nothing imports", { "core/one.ts": `${ONE}export const two = 2;\n` }, "two"],
  [
    "a file that only tests use",
    { "core/two.ts": ONE, "core/two.test.ts": 'import { one } from "./two.ts";\n\none();\n' },
    "core/two.ts",
  ],
  [
    "an export that only tests use",
    {
      "core/one.ts": `${ONE}export const two = 2;\n`,
      "core/one.test.ts": 'import { two } from "./one.ts";\n\nString(two);\n',
    },
    "two",
  ],
])("npm run check:unused fails with %s", (_title, planted, named) => {
  const { status, found } = checkUnused({ "worker/main.ts": MAIN, "core/one.ts": ONE, ...planted });
  expect(status).toBe(1);
  expect(found).toContain(named);
});
