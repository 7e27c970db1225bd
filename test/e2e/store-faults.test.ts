import { openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SmtpClient } from "../support/smtp-client.ts";
import { endAll, newDataDir, type PosternProcess, withPostern } from "./postern-process.ts";

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

const database = (): string => join(dataDir, "postern.sqlite");

async function answerToPlaintext(postern: PosternProcess, recipient = "b@example.com"): Promise<string> {
  const { smtp } = await postern.started();
  const client = await SmtpClient.connect(smtp.port);
  await client.reply();
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<a@sender.example>");
  const answer = await client.say(`RCPT TO:<${recipient}>`);
  client.close();
  return answer;
}

const isStale = (ready: Readonly<Record<string, unknown>>): boolean => Number(ready["staleSeconds"]) > 0;

describe("given a domain that requires TLS and a database that breaks while the process runs", () => {
  it.each<{ what: string; harm: () => void }>([
    {
      what: "deleted",
      harm: () => {
        for (const suffix of ["", "-wal", "-shm"]) rmSync(`${database()}${suffix}`, { force: true });
      },
    },
    { what: "moved away", harm: () => renameSync(database(), join(dataDir, "away")) },
    { what: "truncated", harm: () => writeFileSync(database(), "") },
    {
      what: "overwritten",
      harm: () => void writeSync(openSync(database(), "r+"), Buffer.alloc(8_192, "x"), 0, 8_192, 0),
    },
    {
      what: "replaced by an empty one",
      harm: () => {
        writeFileSync(join(dataDir, "new"), "");
        renameSync(join(dataDir, "new"), database());
      },
    },
  ])("keeps requiring it when the file is $what, and says that its settings are stale", async ({ harm }) => {
    await withPostern(dataDir, async (postern) => {
      await postern.inForce(await postern.setLevel("example.com", "accept"));
      await postern.inForce(await postern.setLevel("example.net", "accept"));
      await postern.inForce(await postern.setLevel("example.com", "require"));
      harm();
      await postern.ready(isStale, "the settings are stale");
      expect(await answerToPlaintext(postern)).toMatch(/^530 5\.7\.0 example\.com /);
      await postern.ready((ready) => ready["ready"] === true, "still ready");
      expect(await postern.metric("postern_settings_stale_seconds")).toBeGreaterThan(0);
      expect(await postern.logged("settings-stale")).toMatchObject({ level: "warn", revision: 3 });
      expect((await postern.api("GET /v1/domains/example.com")).status).toBe(503);
      expect((await postern.api("GET /health/live")).status).toBe(200);
      expect((await postern.api("GET /health/ready")).status).toBe(503);
    });
  });

  it("continues when the file is restored, and logs it", async () => {
    await withPostern(dataDir, async (postern) => {
      await postern.inForce(await postern.setLevel("example.com", "require"));
      renameSync(database(), join(dataDir, "away"));
      await postern.ready(isStale, "the settings are stale");
      renameSync(join(dataDir, "away"), database());
      await postern.ready((ready) => !isStale(ready), "fresh again");
      await postern.logged("settings-recovered");
      await postern.inForce(await postern.setLevel("example.com", "accept"));
      expect(await answerToPlaintext(postern)).toMatch(/^250/);
    });
  });
});

describe("given a record that this release cannot read", () => {
  it("defers its mail while every other domain is judged as before, and the status shows it", async () => {
    await withPostern(dataDir, async (postern) => {
      await postern.setLevel("example.com", "require");
      await postern.setLevel("example.net", "require");
      // If every domain had level `require`, the reply at MAIL would be 530.
      await postern.setLevel("example.org", "accept");
      await postern.end();
    });
    const sqlite = new DatabaseSync(database());
    sqlite.exec("UPDATE domain SET record = '{}' WHERE id = 'example.com'");
    sqlite.close();
    await withPostern(dataDir, async (postern) => {
      expect(await answerToPlaintext(postern)).toMatch(/^451 4\.3\.5 /);
      expect(await answerToPlaintext(postern, "b@example.net")).toMatch(/^530 5\.7\.0 /);
      expect(await postern.metric("postern_settings_unreadable")).toBe(1);
      expect(await postern.logged("settings-unreadable")).toMatchObject({
        count: 1,
        items: [{ id: "example.com" }],
      });
      const edges = await postern.api("GET /v1/edges");
      expect(edges.status).toBe(200);
    });
  });
});
