import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { endAll, newDataDir, PosternProcess, withPostern } from "./postern-process.ts";

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

const database = (): string => join(dataDir, "postern.sqlite");

/** A DATA_DIR with two domains, and a certificate whose key lies in the vault. */
async function used(): Promise<void> {
  await withPostern(dataDir, async (postern) => {
    await postern.setLevel("example.com", "require");
    await postern.setLevel("example.net", "accept");
    const made = await postern.api("POST /v1/certificates", { source: "self-signed", names: ["mx.example"] });
    expect(made.status).toBe(201);
    await postern.end();
  });
}

const remove = (): void => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${database()}${suffix}`, { force: true });
};

describe("a start in a DATA_DIR whose settings are lost", () => {
  it.each<{ what: string; harm: () => void | Promise<void> }>([
    { what: "removed", harm: remove },
    { what: "emptied", harm: () => writeFileSync(database(), "") },
    {
      what: "replaced by one without any write",
      harm: async () => {
        remove();
        const path = join(dataDir, "elsewhere");
        await withPostern(path, async (postern) => {
          await postern.started();
          await postern.end();
        });
        renameSync(join(path, "postern.sqlite"), database());
        rmSync(path, { recursive: true });
      },
    },
  ])("is refused when the database was $what, until --new says that it is meant", async ({ harm }) => {
    await used();
    await harm();
    const before = readdirSync(dataDir);
    const refused = new PosternProcess(dataDir);
    expect((await refused.ended).code).toBe(78);
    expect(refused.screen).toMatch(/DATA_DIR: .*holds no settings.*--new/);
    expect(refused.screen).not.toContain("running");
    expect(readdirSync(dataDir).filter((name) => !before.includes(name))).toEqual([]);

    const meant = new PosternProcess(dataDir, {}, ["--new"]);
    await meant.started();
    await meant.setLevel("example.com", "require");
    await meant.end();
    await withPostern(dataDir, async (postern) => {
      expect((await postern.api("GET /v1/domains/example.com")).status).toBe(200);
    });
  });

  it("is refused also when DATA_DIR has only mail", async () => {
    mkdirSync(join(dataDir, "mail/new"), { recursive: true });
    writeFileSync(join(dataDir, "mail/new/1.example"), "Subject: x\n\n");
    const refused = new PosternProcess(dataDir);
    expect((await refused.ended).code).toBe(78);
    expect(refused.screen).toContain("has mail, and");
  });

  it("is a first start when the previous one ended before it made any file", async () => {
    const failed = new PosternProcess(dataDir, {
      SMTP_LISTENERS: JSON.stringify([{ host: "203.0.113.1", port: 0 }]),
    });
    expect((await failed.ended).code).toBe(1);
    await withPostern(dataDir, async (postern) => {
      await postern.started();
      await postern.end();
    });
    // And again without any write in between.
    await withPostern(dataDir, (postern) => postern.started());
  });
});

describe("a start with a database that is damaged in its middle", () => {
  it("reports it and ends with 78, and does not show the first screen", async () => {
    await used();
    const third = Math.floor(statSync(database()).size / 3);
    const file = openSync(database(), "r+");
    writeSync(file, Buffer.alloc(third, 0xa5), 0, third, third);
    closeSync(file);
    const postern = new PosternProcess(dataDir);
    expect((await postern.ended).code).toBe(78);
    expect(postern.screen).toMatch(/DATA_DIR: .*postern\.sqlite: .*(?:damaged|malformed)/);
    expect(postern.screen).not.toContain("running");
  });
});
