import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KEY_CLIENTS, shownLeaf, startHandshakeLoad } from "../support/handshake-load.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { makeCa } from "../support/pki.ts";
import { twoKeyMaterial } from "../support/two-key-material.ts";
import { endAll, newDataDir, type PosternProcess, withPostern } from "./postern-process.ts";

const HOST = "mx.example.com";
const ROTATIONS = 20;

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

const written = async (answer: Response): Promise<{ id: string; version: number }> => {
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text}`);
  return JSON.parse(text) as { id: string; version: number };
};

const ANY = { "if-match": "*" };

/** Waits for what the edge reports, as an operator would. */
async function served(postern: PosternProcess, id: string, version: number): Promise<void> {
  let last = "";
  const ask = async (): Promise<true | undefined> => {
    last = await (await postern.api(`GET /v1/certificates/${id}/status`)).text();
    const { summary } = JSON.parse(last) as { summary: string };
    return summary === `1 of 1 edges serve version ${version}` ? true : undefined;
  };
  await waitUntil(ask, { what: `version ${version} is served`, explain: () => last });
}

describe("a certificate with two keys, under a load of sessions that ask for each", () => {
  it("rotates 20 times and rolls back without a failed handshake, and no session sees an earlier version than the status showed", async () => {
    const ca = makeCa();
    const versions = Array.from({ length: ROTATIONS + 1 }, () => twoKeyMaterial([HOST], ca));
    const versionOf = new Map(
      versions.flatMap(({ fingerprints }, at) => Object.values(fingerprints).map((each) => [each, at + 1])),
    );
    await withPostern(dataDir, async (postern) => {
      const { smtp } = await postern.started();
      const body = { source: "pem", ...versions[0]?.upload };
      const { id } = await written(await postern.api("POST /v1/certificates", body));
      const tls = { server: { level: "require", certificateId: id } };
      await written(await postern.api("PUT /v1/domains/example.com", { mxHosts: [HOST], tls }));
      await served(postern, id, 1);

      const confirmed = { version: 1 };
      const load = startHandshakeLoad({
        port: smtp.port,
        servername: HOST,
        now: () => confirmed.version,
      });
      for (const [at, { upload }] of versions.slice(1).entries()) {
        const put = await postern.api(`PUT /v1/certificates/${id}/material`, upload, ANY);
        expect((await written(put)).version).toBe(at + 2);
        await served(postern, id, at + 2);
        confirmed.version = at + 2;
        await load.round();
      }
      const sessions = await load.stop();
      expect(sessions.filter(({ failure }) => failure !== null)).toEqual([]);
      const seen = sessions.map(({ kind, since, fingerprint }) => ({
        since,
        isOfKind: versions.some(({ fingerprints }) => fingerprints[kind] === fingerprint),
        version: versionOf.get(fingerprint ?? "") ?? 0,
      }));
      expect(seen.filter(({ isOfKind }) => !isOfKind)).toEqual([]);
      expect(seen.filter(({ since, version }) => version < since)).toEqual([]);
      // Each was in service while sessions asked for it.
      expect(new Set(seen.map(({ version }) => version)).size).toBe(ROTATIONS + 1);

      const rollback = { version: ROTATIONS };
      await written(await postern.api(`POST /v1/certificates/${id}/rollback`, rollback, ANY));
      await served(postern, id, ROTATIONS);
      for (const client of KEY_CLIENTS) {
        const { fingerprint } = await shownLeaf(smtp.port, { ...client, servername: HOST });
        expect(fingerprint).toBe(versions[ROTATIONS - 1]?.fingerprints[client.kind]);
      }
      expect(await (await postern.api("GET /v1/edges")).json()).toMatchObject({
        items: [{ certificates: expect.arrayContaining([expect.objectContaining({ version: ROTATIONS })]) }],
      });
      expect(postern.log.filter(({ event }) => event === "handshake-failed")).toEqual([]);
    });
  });
});
