import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { globSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../adapters/local/database.ts";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { backUp } from "../../core/management/back-up.ts";
import type { SnapshotBackup } from "../../core/store/snapshot-backup.ts";
import { TestAcmeCa } from "../support/acme-ca/acme-ca.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { certificateBag, falseMac, keyBag, pfx } from "../support/pkcs12-writer.ts";
import { issueServer, makeCa } from "../support/pki.ts";
import { secretTexts } from "../support/secret-texts.ts";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, type PosternProcess, withPostern } from "./postern-process.ts";

let dataDir = "";
let temporary = "";
let acme: TestAcmeCa;
beforeEach(async () => {
  dataDir = newDataDir();
  temporary = newDataDir();
  acme = await TestAcmeCa.start({
    isPreApproved: true,
    externalAccount: { keyId: "kid-1", hmacKey: HMAC_KEY },
  });
});
afterEach(async () => {
  await endAll();
  await acme.close();
  for (const each of [dataDir, temporary]) rmSync(each, { recursive: true, force: true });
});

const PASSPHRASE = "hunter2-and-then-some";
const WRONG = "not-this-one-either";
const HMAC_KEY = randomBytes(32);
const WEBHOOK_SECRET = randomBytes(32).toString("base64");
const newPair = (curve: string) => generateKeyPairSync("ec", { namedCurve: curve });
const [first, second, third] = [newPair("P-256"), newPair("P-256"), newPair("P-384")] as const;
const ca = makeCa({ name: "Issuing CA", parent: makeCa() });
const issued = (key: typeof first) => issueServer({ names: ["mx.example"], ca, key });
const [one, two, three] = [issued(first), issued(second), issued(third)] as const;
const encrypted = second.privateKey
  .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: PASSPHRASE })
  .toString();
const der = (key: KeyObject): Buffer => key.export({ type: "pkcs8", format: "der" });
const bags = [keyBag(der(third.privateKey)), certificateBag(three.der), certificateBag(ca.der)];
const file = pfx({ bags });

function settings(): Readonly<Record<string, string>> {
  const { directoryUrl: url, caFile } = acme;
  return {
    TMPDIR: temporary,
    ACME_DIRECTORIES: JSON.stringify({ test: { url, caFile, eabKeyId: "kid-1" } }),
    ACME_EAB_HMAC_KEYS: JSON.stringify({ test: HMAC_KEY.toString("base64url") }),
    DNS_WEBHOOK_URL: "http://127.0.0.1:9/",
    DNS_WEBHOOK_SECRET: WEBHOOK_SECRET,
  };
}

/** Uploads and failures of every source of this stack, and what became of each. */
async function everyFlow(postern: PosternProcess): Promise<readonly string[]> {
  const answers: string[] = [];
  const ask = async (methodAndPath: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> => {
    const isChange = /material$|^DELETE|(?:next-key|rotate|renew)$/.test(methodAndPath);
    const answer = await postern.api(methodAndPath, body, isChange ? { "if-match": "*" } : {});
    const text = await answer.text();
    answers.push(`${String(answer.status)} ${text}`);
    return text.startsWith("{") ? (JSON.parse(text) as Readonly<Record<string, unknown>>) : {};
  };
  const post = async (body: object): Promise<string> =>
    String((await ask("POST /v1/certificates", body))["id"]);
  const is = (id: string, shown: object): Promise<true> =>
    waitUntil(
      async () => {
        const present = await ask(`GET /v1/certificates/${id}`);
        return Object.entries(shown).every(([field, value]) => present[field] === value) ? true : undefined;
      },
      { what: JSON.stringify(shown), explain: () => answers.at(-1) ?? "" },
    );
  const ordered = await post({ source: "acme", directory: "test", names: ["mx.example"] });
  await is(ordered, { version: 1 });
  await ask(`POST /v1/certificates/${ordered}/next-key`);
  await ask(`POST /v1/certificates/${ordered}/rotate`);
  await is(ordered, { version: 2 });
  acme.faults.set("newOrder", { kind: "refusal", type: "rateLimited", status: 429 });
  await ask(`POST /v1/certificates/${ordered}/renew`);
  await postern.logged("certificate-issuance-failed");
  const made = await post({ source: "self-signed", names: ["mx.example"], keyType: "ecdsa-p256" });
  const requested = await post({ source: "request", names: ["mx.example"] });
  const plain = { source: "pem", certificatePem: one.bundlePem, privateKeyPem: one.privateKeyPem };
  const uploaded = await post(plain);
  const inOne = { source: "pem", certificatePem: encrypted + two.bundlePem };
  await post({ ...inOne, privateKeyPassphrase: PASSPHRASE });
  await post({ source: "pkcs12", pkcs12: file.toString("base64"), passphrase: PASSPHRASE });
  // Failures.
  await post({ ...inOne, privateKeyPassphrase: WRONG });
  await post({ ...plain, privateKeyPem: two.privateKeyPem });
  await post({ ...plain, privateKeyPem: one.privateKeyPem.slice(0, -40) });
  await post({ ...plain, [one.privateKeyPem]: PASSPHRASE });
  await post({ ...plain, source: PASSPHRASE, label: one.privateKeyPem });
  await post({ source: "self-signed", names: [one.privateKeyPem] });
  await post({ source: "acm", names: ["mx.example"], acceptCharges: true });
  await post({ source: "acme", directory: one.privateKeyPem, names: ["mx.example"] });
  await post({
    source: "pkcs12",
    pkcs12: pfx({ bags, macData: falseMac(1) }).toString("base64"),
    passphrase: WRONG,
  });
  await ask(`PUT /v1/certificates/${uploaded}/material`, { certificatePem: two.bundlePem });
  await ask(`PUT /v1/certificates/${uploaded}/material`, { ...inOne, privateKeyPassphrase: WRONG });
  await ask(`PUT /v1/certificates/${uploaded}/material`, { ...inOne, privateKeyPassphrase: PASSPHRASE });
  await ask("PUT /v1/domains/example.org", {
    mxHosts: ["mx.example"],
    tls: { server: { level: "require", certificateId: uploaded } },
  });
  for (const id of [made, requested, uploaded, ordered]) {
    await ask(`GET /v1/certificates/${id}`);
    await ask(`GET /v1/certificates/${id}/versions`);
    await ask(`GET /v1/certificates/${id}/chain.pem`);
  }
  await ask(`DELETE /v1/certificates/${made}`);
  await ask("GET /v1/changes?limit=200");
  await ask("GET /v1/domains/example.org/status");
  await ask("GET /v1/edges");
  return answers;
}

/** Keys that Postern made, read from the vault. */
const madeKeys = (): readonly KeyObject[] =>
  vaultFiles().flatMap((path) =>
    [
      ...readFileSync(path, "utf8").matchAll(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g),
    ].map(([pem]) => createPrivateKey(pem.replaceAll("\\n", "\n"))),
  );

const isFile = (path: string): boolean => statSync(path).isFile();
const vaultFiles = (): readonly string[] => globSync(join(dataDir, "vault/**/*")).filter(isFile);

async function backedUp(): Promise<string> {
  const [path = ""] = globSync(join(dataDir, "*.sqlite"));
  const database = openDatabase(path);
  let written: SnapshotBackup | null = null;
  const backups = {
    read: () => Promise.resolve(null),
    write: (backup: SnapshotBackup) => {
      written = backup;
      return Promise.resolve();
    },
  };
  await backUp({ store: new SqliteStore(database), backups }, Date.now());
  database.close();
  return JSON.stringify(written, (_, value: unknown) => (value instanceof Map ? [...value] : value));
}

describe("private keys and passphrases", () => {
  it("are in the vault alone: in no answer, log, change, metric, backup or other file", async () => {
    const shown = await withPostern(
      dataDir,
      async (postern) => {
        const answers = await everyFlow(postern);
        const { health } = await postern.started();
        const metrics = await (await fetch(`${httpUrl(health)}/metrics`)).text();
        const files = globSync(join(temporary, "**/*"))
          .filter(isFile)
          .map((path) => readFileSync(path, "latin1"));
        await postern.end();
        return { answers, metrics, files, log: JSON.stringify(postern.log), screen: postern.screen };
      },
      settings(),
    );
    const statuses = shown.answers.map((answer) => answer.slice(0, 3));
    expect(statuses.filter((status) => status === "201")).toHaveLength(7);
    expect(statuses.filter((status) => status.startsWith("4")).length).toBeGreaterThanOrEqual(11);
    expect(statuses.filter((status) => status.startsWith("5"))).toEqual([]);
    const vault = vaultFiles();
    const others = globSync(join(dataDir, "**/*")).filter((path) => isFile(path) && !vault.includes(path));
    const uploaded = [one, two, three];
    const keys = [...madeKeys(), ...uploaded.map(({ privateKey }) => privateKey)];
    const secrets = [
      ...keys.flatMap((key) => [...secretTexts(key, ""), der(key).toString("latin1")]),
      ...(encrypted.match(/^[A-Za-z0-9+/]{64}$/gm) ?? []),
      PASSPHRASE,
      WRONG,
      HMAC_KEY.toString("base64url"),
      HMAC_KEY.toString("base64"),
      HMAC_KEY.toString("hex"),
      WEBHOOK_SECRET,
    ];
    // With the account's key at the CA, and the two that it certified.
    expect(keys.length).toBeGreaterThanOrEqual(10);
    expect(shown.answers.join("\n")).toContain("BEGIN CERTIFICATE");
    const places = new Map<string, string>([
      ["answers", shown.answers.join("\n")],
      ["metrics", shown.metrics],
      ["log", shown.log],
      ["screen", shown.screen],
      ["temporary files", shown.files.join("\n")],
      ["backup", await backedUp()],
      ...others.map((path): [string, string] => [path, readFileSync(path, "latin1")]),
    ]);
    const found = [...places].flatMap(([place, text]) =>
      secrets.filter((secret) => text.includes(secret)).map(() => place),
    );
    expect([...new Set(found)]).toEqual([]);
    // The search finds what it looks for.
    const kept = vault.map((path) => readFileSync(path, "utf8")).join("\n");
    expect(secrets.filter((secret) => kept.includes(secret)).length).toBeGreaterThan(keys.length);
  });
});
