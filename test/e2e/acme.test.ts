import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { type AcmeStep, TestAcmeCa } from "../support/acme-ca/acme-ca.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { endAll, newDataDir, PosternProcess } from "./postern-process.ts";

let dataDir = "";
let ca: TestAcmeCa;
let postern: PosternProcess;
beforeEach(async () => {
  dataDir = newDataDir();
  // The CA fetches the key authorization over HTTP, as it would from the name's port 80.
  ca = await TestAcmeCa.start({
    fetchHttp: async (_name, token) => {
      const { api } = await postern.started();
      const answer = await fetch(`${httpUrl(api)}/.well-known/acme-challenge/${token}`);
      return answer.ok ? answer.text() : null;
    },
  });
});
afterEach(async () => {
  await endAll();
  await ca.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function start(): PosternProcess {
  const { directoryUrl: url, caFile } = ca;
  postern = new PosternProcess(dataDir, { ACME_DIRECTORIES: JSON.stringify({ test: { url, caFile } }) });
  return postern;
}

type Json = ReturnType<typeof JSON.parse>;

async function order(): Promise<string> {
  const body = { source: "acme", directory: "test", names: ["mx.example.com"], challenge: "http-01" };
  const answer = await postern.api("POST /v1/certificates", body);
  const made: Json = await answer.json();
  expect(answer.status, JSON.stringify(made)).toBe(201);
  return made.id;
}

const show = async (id: string): Promise<Json> => (await postern.api(`GET /v1/certificates/${id}`)).json();

const isAtVersion = (id: string, version: number): Promise<Json> =>
  waitUntil(
    async () => {
      const shown = await show(id);
      return shown.version === version ? shown : undefined;
    },
    { what: `version ${version}`, explain: () => JSON.stringify(postern.log.slice(-20)) },
  );

/** Kills the process at the first request of a step; resolves when it has ended. */
function killAt(step: AcmeStep, moment: "before" | "after"): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  ca.onRequest = (at, when) => {
    if (at === step && when === moment) resolve(postern.end("SIGKILL"));
  };
  return promise.finally(() => {
    ca.onRequest = () => undefined;
  });
}

describe("a certificate of an ACME CA, with npm start", () => {
  it("is ordered at once, validated by http-01 through the API, and renewed on request with its key", async () => {
    start();
    await postern.started();
    const id = await order();
    const first = await isAtVersion(id, 1);
    expect(first).toMatchObject({ lastError: null, nextKeys: [], acme: { challenge: "http-01" } });
    await postern.api(`POST /v1/certificates/${id}/renew`, undefined, { "if-match": "*" });
    const second = await isAtVersion(id, 2);
    expect(second.keys[0].spkiPin).toBe(first.keys[0].spkiPin);
    expect(second.keys[0].fingerprintSha256).not.toBe(first.keys[0].fingerprintSha256);
    expect(postern.log.map((line) => line["event"])).toContain("certificate-issued");
  });

  it.each([
    ["newOrder", "after"],
    ["finalize", "after"],
    ["certificate", "before"],
  ] as const)("goes on after a kill at %s, %s it", async (step, moment) => {
    start();
    await postern.started();
    const killed = killAt(step, moment);
    const id = await order();
    await killed;
    start();
    await postern.started();
    expect(await isAtVersion(id, 1)).toMatchObject({ lastError: null });
    expect(ca.authority.accounts).toHaveLength(1);
  });
});
