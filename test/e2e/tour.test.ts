import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { expectDocumentedStatuses, readPage } from "./page-commands.ts";
import { endAll, newDataDir, withPostern } from "./postern-process.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/tour.md"), "utf8");

const { steps: STEPS, blocks: BLOCKS } = readPage(PAGE);

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

describe("docs/tour.md", () => {
  it("has at most 20 requests, numbered, one in each step", () => {
    expect(STEPS.map(({ number }) => number)).toEqual(STEPS.map((_, index) => index + 1));
    expect(STEPS.length).toBeGreaterThan(15);
    expect(STEPS.length).toBeLessThanOrEqual(20);
    expect(PAGE).toContain(`# A tour in ${STEPS.length} requests`);
    const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
    expect(readme).toContain(`in ${STEPS.length} requests to copy | [docs/tour.md](docs/tour.md)`);
    const requests = BLOCKS.map((code) => code.split(/\bcurl -/u).length - 1).filter((count) => count > 0);
    expect(requests).toEqual(STEPS.map(() => 1));
  });

  it("gets the documented responses when it is copied unchanged into one shell", async () => {
    await withPostern(dataDir, async (postern) => {
      const { api } = await postern.started();
      await expectDocumentedStatuses(PAGE, { folder: join(dataDir, "tour"), url: httpUrl(api), dataDir });
      const left = (await (await postern.api("GET /v1/domains")).json()) as {
        items: { name: string; warnings: { code: string }[] }[];
      };
      expect(left.items.map(({ name, warnings }) => [name, warnings])).toEqual([
        ["example.net", []],
        ["example.org", []],
      ]);
      const log = (await (await postern.api("GET /v1/changes?order=desc&limit=3")).json()) as {
        items: { action: string; before: { tls?: { exceptions: unknown[] }; previous?: unknown[] } }[];
      };
      // Both mistakes were undone before their records were deleted.
      expect(log.items.map(({ action }) => action)).toEqual(["delete", "delete", "update"]);
      expect(log.items[0]?.before.previous).toHaveLength(2);
      expect(log.items[1]?.before.tls?.exceptions).toEqual([]);
    });
  });
});
