import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import tls, { type ConnectionOptions, TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { newKey } from "../../test/support/certificate-writer.ts";
import { makeCa, issueServer, type IssuedCertificate } from "../../test/support/pki.ts";
import { certificateId, name } from "../../test/support/records.ts";
import { type MemoryVault, materialOf, memoryVault } from "../../test/support/test-edge.ts";
import type { CertificateId } from "../../core/name/ids.ts";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import type { CertificateProblem, CertificateProblemReason } from "../../core/edge-report/edge-reports.ts";
import { Unavailable, Unreadable } from "../../core/errors.ts";
import type { ResolvedTrust } from "../../core/policy/chain-verifier.ts";
import type { EdgeEvent } from "../event/edge-event.ts";
import { createCertificateSource } from "./certificate-source.ts";
import { cipherList } from "./tls-parameters.ts";
import {
  type ContextChoice,
  createSecureContexts,
  type SecureContexts,
  type ServingContext,
} from "./secure-contexts.ts";

const ca = makeCa({ name: "Test CA" });
const trust: ResolvedTrust = {
  hash: "t1",
  anchorsPem: [ca.rootPem],
  crlsPem: [],
  exemptPem: [],
  unusable: false,
};
const own = issueServer({ names: ["edge.example.net"] });

interface Bench {
  readonly contexts: SecureContexts;
  readonly vault: MemoryVault;
  /** Certificates of the settings in force. */
  readonly inForce: Map<CertificateId, CertificateRecord>;
  readonly events: EdgeEvent[];
  nowMs: number;
}

function bench(
  options: { default?: IssuedCertificate | null; ciphers?: string; capacity?: number } = {},
): Bench {
  const vault = memoryVault();
  const events: EdgeEvent[] = [];
  const inForce = new Map<CertificateId, CertificateRecord>();
  const made = { vault, inForce, events, nowMs: 0 };
  const onEvent = (event: EdgeEvent): void => void events.push(event);
  const { default: given = own, ciphers = null, capacity = 10 } = options;
  const clock = { now: () => made.nowMs };
  const source = createCertificateSource({
    vault,
    inForce: (id) => inForce.get(id),
    clock,
    onEvent,
    ciphers: cipherList(ciphers),
  });
  const defaultCertificate = given === null ? null : materialOf(given);
  const contexts = createSecureContexts({ source, defaultCertificate, ciphers, onEvent, capacity });
  return Object.assign(made, { contexts });
}

const others = (...records: readonly CertificateRecord[]) => ({ certificates: () => records });

const choice = (parts: Partial<ContextChoice> = {}): ContextChoice => ({
  host: name("mx.a.example"),
  certificate: null,
  trust: null,
  ask: false,
  clientCurves: "key-exchange",
  ...parts,
});

const neverLoaded = ({ id }: CertificateRecord, reason: CertificateProblemReason): object => ({
  certificateId: id,
  version: 1,
  reason,
  problem: expect.any(String),
  serves: null,
});
const problemsOf = (contexts: SecureContexts, record: CertificateRecord): readonly CertificateProblem[] =>
  contexts.problems({ certificate: (id) => (id === record.id ? record : undefined) });

/** A key that is of the same kind as the certificate's, and not its own. */
const mismatched = (): IssuedCertificate => ({
  ...issueServer({ names: ["mx.a.example"], key: newKey("ecdsa-p256") }),
  privateKeyPem: issueServer({ names: ["mx.a.example"], key: newKey("ecdsa-p256") }).privateKeyPem,
});

/** Level 2 takes no CA below 224 bits, whatever the leaf's key is. */
function underWeakCa(): IssuedCertificate {
  const key = generateKeyPairSync("ec", { namedCurve: "prime192v1" });
  return issueServer({ names: ["mx.a.example"], ca: makeCa({ parent: ca, key }) });
}

/** The certificate that a client sees, and what the server's CertificateRequest names. */
async function handshake(
  serving: ServingContext | null,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  if (serving === null) throw new Error("no context");
  const server = createServer((raw) => {
    const socket = new TLSSocket(raw, { isServer: true, secureContext: serving.context });
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = tls.connect({
    port: (server.address() as AddressInfo).port,
    rejectUnauthorized: false,
    ...options,
  });
  await once(client, "secureConnect");
  server.close();
  client.on("error", () => undefined);
  client.end();
  return client;
}

const serial = async (serving: ServingContext | null, options?: ConnectionOptions): Promise<string> =>
  (await handshake(serving, options)).getPeerX509Certificate()?.fingerprint256 ?? "";

describe("secure contexts", () => {
  it("are built once for each host, certificate and trust", async () => {
    const { contexts, vault, events } = bench();
    const certificate = vault.add({ id: certificateId(1) }, [issueServer({ names: ["mx.a.example"] })]);
    const first = await contexts.get(choice({ certificate, trust }), others());
    expect(contexts.get(choice({ certificate, trust }), others())).toBe(first);
    expect(contexts.get(choice({ certificate }), others())).not.toBe(first);
    expect(contexts.get(choice({ certificate, trust: { ...trust, hash: "t2" } }), others())).not.toBe(first);
    expect(contexts.get(choice({ certificate, trust, host: name("mx.b.example") }), others())).not.toBe(
      first,
    );
    expect(events.filter((event) => event.kind === "context").map((event) => event.outcome)).toEqual([
      "built",
      "hit",
      "built",
      "built",
      "built",
    ]);
  });

  it.each([
    ["an anchor", { anchorsPem: ["not a certificate"] }],
    ["a CRL", { crlsPem: ["not a CRL"] }],
  ])("trust no client where %s cannot be read, and are no worse otherwise", async (_, broken) => {
    const { contexts } = bench();
    const serving = await contexts.get(choice({ trust: { ...trust, ...broken } }), others());
    expect(serving?.trustHash).toBeNull();
  });

  it("forget the one used longest ago, and never hold more than they may", async () => {
    const { contexts } = bench({ capacity: 2 });
    const host = (label: string): ContextChoice => choice({ host: name(`${label}.example`), trust });
    const first = await contexts.get(host("a"), others());
    await contexts.get(host("b"), others());
    expect(contexts.get(host("a"), others())).toBe(first);
    await contexts.get(host("c"), others());
    expect(contexts.get(host("a"), others())).toBe(first);
    expect(contexts.size).toBe(2);
  });

  it("load the material of one certificate once, however many ask at a time", async () => {
    const { contexts, vault } = bench();
    const certificate = vault.add({ id: certificateId(1) }, [issueServer({ names: ["mx.a.example"] })]);
    let loads = 0;
    const get = vault.get.bind(vault);
    vault.get = (...args) => {
      loads += 1;
      return get(...args);
    };
    await Promise.all(
      Array.from({ length: 50 }, async () => contexts.get(choice({ certificate }), others())),
    );
    expect(loads).toBe(1);
  });

  it("serve ECDSA and RSA side by side", async () => {
    const { contexts, vault } = bench();
    const ecdsa = issueServer({ names: ["mx.a.example"] });
    const rsa = issueServer({ names: ["mx.a.example"], keyType: "rsa-2048" });
    const certificate = vault.add({ id: certificateId(1) }, [rsa, ecdsa]);
    const serving = await contexts.get(choice({ certificate }), others());
    const only = (ciphers: string): ConnectionOptions => ({ ciphers, maxVersion: "TLSv1.2" });
    const seen = [await serial(serving, only("ECDHE-RSA-AES128-GCM-SHA256")), await serial(serving)];
    expect(seen).toEqual([rsa, ecdsa].map(({ der }) => fingerprint(der)));
  });

  it("fall back to the default certificate when that of the settings never loaded", async () => {
    const { contexts, vault, events } = bench();
    const certificate = vault.add({ id: certificateId(1) }, [issueServer({ names: ["mx.a.example"] })]);
    vault.remove(`keys/${certificate.id}/1`);
    expect(await serial(await contexts.get(choice({ certificate }), others()))).toBe(fingerprint(own.der));
    expect(events).toContainEqual({
      kind: "certificate-problem",
      ...neverLoaded(certificate, "key-missing"),
    });
    expect(problemsOf(contexts, certificate)).toEqual([neverLoaded(certificate, "key-missing")]);
    expect(contexts.served([certificate]).map(({ certificateId: id }) => id)).toEqual([null]);
  });

  it("serve the version before when the new one does not load, under the new trust, and say so", async () => {
    const { contexts, vault, inForce } = bench();
    const old = issueServer({ names: ["mx.a.example"] });
    const first = vault.add({ id: certificateId(1) }, [old]);
    await contexts.get(choice({ certificate: first }), others());
    const second = { ...first, material: { version: 2, sha256: "00".repeat(32) } };
    inForce.set(second.id, second);
    const serving = await contexts.get(choice({ certificate: second, trust }), others());
    expect(await serial(serving)).toBe(fingerprint(old.der));
    expect(serving?.trustHash).toBe(trust.hash);
    expect(contexts.served([second])).toMatchObject([
      { certificateId: null },
      { certificateId: first.id, version: 1, problem: expect.stringContaining("does not hold") },
    ]);
    expect(problemsOf(contexts, second)).toMatchObject([{ version: 2, reason: "key-missing", serves: 1 }]);
    expect(problemsOf(contexts, first)).toEqual([]);
  });

  it("do not storm the vault for what does not load, and try again after a while", async () => {
    const made = bench();
    const certificate = made.vault.add({ id: certificateId(1) }, [issueServer({ names: ["mx.a.example"] })]);
    const get = made.vault.get.bind(made.vault);
    let down = true;
    let loads = 0;
    made.vault.get = (...args) => {
      loads += 1;
      return down ? Promise.reject(new Error("down")) : get(...args);
    };
    for (let count = 0; count < 10; count += 1) await made.contexts.get(choice({ certificate }), others());
    expect(loads).toBe(1);
    expect(problemsOf(made.contexts, certificate)).toHaveLength(1);
    down = false;
    made.nowMs += 6_000;
    const serving = await made.contexts.get(choice({ certificate }), others());
    expect(await serial(serving)).not.toBe(fingerprint(own.der));
    expect(problemsOf(made.contexts, certificate)).toEqual([]);
    expect(made.contexts.served([certificate]).map(({ problem }) => problem)).toEqual([null, null]);
    expect(made.events).toContainEqual({
      kind: "certificate-recovered",
      certificateId: certificate.id,
      version: 1,
    });
  });

  it.each<[CertificateProblemReason, (made: Bench, good: CertificateRecord) => void]>([
    ["key-missing", ({ vault }, { id }) => vault.remove(`keys/${id}/1`)],
    ["vault-unavailable", ({ vault }) => void (vault.get = () => Promise.reject(new Unavailable("down")))],
    ["key-unreadable", ({ vault }) => void (vault.get = () => Promise.reject(new Unreadable("damaged")))],
    ["key-mismatch", ({ vault }, { id }) => void vault.add({ id }, [mismatched()])],
    ["context", ({ vault }, { id }) => void vault.add({ id }, [underWeakCa()])],
  ])("report %s as what it is, and present the default certificate", async (reason, spoil) => {
    const made = bench();
    const good = made.vault.add({ id: certificateId(1) }, [issueServer({ names: ["mx.a.example"] })]);
    const added = made.vault.add.bind(made.vault);
    let record = good;
    made.vault.add = (...args) => (record = added(...args));
    spoil(made, good);
    const serving = await made.contexts.get(choice({ certificate: record }), others());
    expect(await serial(serving)).toBe(fingerprint(own.der));
    expect(problemsOf(made.contexts, record)).toEqual([neverLoaded(record, reason)]);
    expect(JSON.stringify(made.events)).not.toContain("PRIVATE");
  });

  it("take a key that does not match its certificate for material that does not load", async () => {
    const { contexts, vault } = bench();
    const one = issueServer({ names: ["mx.a.example"] });
    const other = issueServer({ names: ["mx.a.example"], keyType: "ecdsa-p384" });
    const certificate = vault.add({ id: certificateId(1) }, [{ ...one, privateKeyPem: other.privateKeyPem }]);
    expect(await serial(await contexts.get(choice({ certificate }), others()))).toBe(fingerprint(own.der));
  });

  it.each([
    ["anchors", { ...trust, anchorsPem: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] }],
    ["CRLs", { ...trust, crlsPem: ["-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----"] }],
  ])("trust no client when the %s do not load", async (_what, broken) => {
    const { contexts, events } = bench();
    const serving = await contexts.get(choice({ trust: broken }), others());
    expect(serving?.trustHash).toBeNull();
    expect(await serial(serving)).toBe(fingerprint(own.der));
    expect(events).toContainEqual({ kind: "context", outcome: "failed", cached: 0 });
  });

  it("are usable through any certificate of the settings where there is no default, and not without one", async () => {
    const { contexts, vault } = bench({ default: null });
    const certificate = vault.add({ id: certificateId(1) }, [issueServer({ names: ["mx.a.example"] })]);
    const lost = { ...certificate, id: certificateId(2) };
    expect(await contexts.usable(others())).toBe(false);
    expect(await contexts.usable(others(lost))).toBe(false);
    expect(await contexts.usable(others(lost, certificate))).toBe(true);
    expect(await contexts.get(choice(), others(lost))).toBeNull();
    expect(await contexts.get(choice(), others(lost, certificate))).not.toBeNull();
  });

  it("show of a certificate what the status may show, and no key", async () => {
    const { contexts, vault } = bench();
    const certificate = vault.add({ id: certificateId(1) }, [issueServer({ names: ["mx.a.example"] })]);
    await contexts.prepare([certificate]);
    const served = contexts.served([certificate]);
    expect(served.map(({ certificateId: id }) => id)).toEqual([null, certificate.id]);
    expect(JSON.stringify(served)).not.toContain("PRIVATE");
  });
});

describe("cipherList", () => {
  const suites = (list: string): readonly string[] => list.split(":");

  it("has AEAD suites with forward secrecy only", () => {
    for (const suite of suites(cipherList(null)).filter((text) => !text.startsWith("@"))) {
      expect(suite).toMatch(/^(TLS_(AES|CHACHA20)|ECDHE-(ECDSA|RSA)-.*(GCM|POLY1305))/);
    }
  });

  it.each([
    ["ECDHE-RSA-AES128-SHA", "TLS 1.3 stays on and the level stays 2"],
    ["DEFAULT", "TLS 1.3 stays on and the level stays 2"],
  ])("widens with %s: %s", (ciphers) => {
    const list = cipherList(ciphers);
    expect(suites(list)).toEqual(expect.arrayContaining(["TLS_AES_128_GCM_SHA256", ciphers, "@SECLEVEL=2"]));
  });

  it("leaves an operator's own level and TLS 1.3 suites alone", () => {
    expect(cipherList("TLS_AES_128_GCM_SHA256:ALL:@SECLEVEL=0")).toBe(
      "TLS_AES_128_GCM_SHA256:ALL:@SECLEVEL=0",
    );
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)("handshakes with %s under a widened list", async (version) => {
    const { contexts } = bench({ ciphers: "ECDHE-ECDSA-AES128-SHA" });
    const client = await handshake(await contexts.get(choice(), others()), {
      minVersion: version,
      maxVersion: version,
    });
    expect(client.getProtocol()).toBe(version);
  });
});

describe("the floor", () => {
  it("is TLS 1.2 whatever TLS_CIPHERS allows", async () => {
    const { contexts } = bench({ ciphers: "ALL:@SECLEVEL=0" });
    const serving = await contexts.get(choice(), others());
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
    await expect(handshake(serving, old)).rejects.toThrow(/version|closed|hang up|reset/i);
    expect((await handshake(serving, { ...old, maxVersion: "TLSv1.2" })).getProtocol()).toBe("TLSv1.2");
  });
});

const fingerprint = (der: Buffer): string => new X509Certificate(der).fingerprint256;
