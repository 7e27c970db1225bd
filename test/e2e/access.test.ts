import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SCOPES } from "../../core/access/scope.ts";
import { httpUrl } from "../../local/running.ts";
import { expectDocumentedStatuses, readPage } from "./page-commands.ts";
import { endAll, newDataDir, withPostern } from "./postern-process.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/access.md"), "utf8");
const NOT_YET = " (no route yet)";

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

describe("docs/access.md", () => {
  it("gets the documented responses, and shows every scope with those that no route needs yet", async () => {
    const table = [...PAGE.matchAll(/^\| `(?<scope>[a-z:-]+)` \| (?<meaning>.+) \|$/gmu)].map(
      ({ groups }): [string, string] => [groups?.["scope"] ?? "", groups?.["meaning"] ?? ""],
    );
    expect(readPage(PAGE).steps.length).toBeGreaterThan(5);
    await withPostern(dataDir, async (postern) => {
      const { api } = await postern.started();
      const url = httpUrl(api);
      const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
        paths: Record<string, Record<string, { "x-scope"?: string | null }>>;
      };
      const used = new Set(
        Object.values(document.paths).flatMap((path) => Object.values(path).map((each) => each["x-scope"])),
      );
      expect(table).toEqual(
        Object.entries(SCOPES).map(([scope, meaning]) => [
          scope,
          used.has(scope) || scope === "operator" ? meaning : meaning + NOT_YET,
        ]),
      );
      await expectDocumentedStatuses(PAGE, { folder: join(dataDir, "access"), url, dataDir });
    });
  });
});
