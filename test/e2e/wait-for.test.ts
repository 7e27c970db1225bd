import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../../adapters/local/database.ts";
import { FileKeyVault } from "../../adapters/local/file-key-vault.ts";
import { SqliteEdgeReports } from "../../adapters/local/sqlite-edge-reports.ts";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { type ApiUnderTest, startApi } from "../support/api.ts";
import { EdgeProcess } from "../support/edge-process.ts";

const DOMAIN = "/v1/domains/example.com";
const CLOCK = { now: () => Date.now() };

/** An API and three edges, each a process, on one settings file. */
describe("a status that waits for three edges", () => {
  let directory = "";
  let database: Database;
  let edges: readonly EdgeProcess[] = [];
  let api: ApiUnderTest;
  let revision = 0;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "postern-edges-"));
  });
  afterEach(async () => {
    await Promise.all(edges.map((edge) => edge.end()));
    database.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const write = async (enforcement: string): Promise<void> => {
    const options = { body: { tls: { enforcement } }, headers: { "If-Match": "*" } };
    const method = revision === 0 ? "PUT" : "PATCH";
    const { json } = await api.expect(revision === 0 ? 201 : 200, method, DOMAIN, {
      ...options,
      ...(revision === 0 ? { headers: {} } : {}),
    });
    ({ revision } = json);
  };
  const wait = async (seconds: number) =>
    (await api.expect(200, "GET", `${DOMAIN}/status?waitFor=${revision}&timeout=${seconds}`)).json;

  it("answers as soon as all enforce the revision, and names the one that is stopped", async () => {
    const files = { database: join(directory, "settings.db"), vault: join(directory, "vault") };
    mkdirSync(files.vault);
    database = openDatabase(files.database);
    api = await startApi({
      store: new SqliteStore(database),
      vault: new FileKeyVault(files.vault),
      edgeReports: new SqliteEdgeReports(database, CLOCK),
    });
    revision = 0;
    await write("defer");
    edges = await Promise.all([1, 2, 3].map(() => EdgeProcess.start({ ...files, pollIntervalMs: 100 })));
    expect(await wait(25)).toMatchObject({ applied: true, lagging: [], edges: { atRevision: 3 } });

    await write("reject");
    expect(await wait(25)).toMatchObject({ applied: true, lagging: [], edges: { atRevision: 3 } });

    const [stopped] = edges;
    stopped?.stop();
    await write("observe");
    expect(await wait(2)).toMatchObject({
      applied: false,
      lagging: [stopped?.id],
      edges: { atRevision: 2, lost: [] },
    });
    stopped?.continue();
    expect(await wait(25)).toMatchObject({ applied: true, lagging: [], edges: { atRevision: 3 } });
  });
});
