import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { hoursFromNow } from "../../test/support/certificate-writer.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";

// Read as JSON, as a client does.
type Json = ReturnType<typeof JSON.parse>;

const DAY_MS = 24 * 3600 * 1000;
const HOSTS = ["mx1.example", "mx2.example", "mx3.other.example"];
const shortLived = makeCa({ notAfter: hoursFromNow(20 * 24) });
const lasting = makeCa();
const CRLS = makeCrl({ ca: lasting, nextUpdate: hoursFromNow(10 * 24) });
const server = issueServer({ names: HOSTS, notAfter: hoursFromNow(20 * 24) });
const PEM = { certificatePem: server.certificatePem, privateKeyPem: server.privateKeyPem };

const labels = fc.dictionary(
  fc.string({ unit: fc.constantFrom("a", "z", "0", ".", "-"), minLength: 1, maxLength: 8 }),
  fc.string({ unit: fc.constantFrom("x", "é", " ", "=", "~", "/"), maxLength: 8 }),
  { maxKeys: 4 },
);
const label = fc.option(fc.constantFrom("", "one", "two / three"));
const exception = fc.record(
  {
    match: fc.constantFrom(
      { clientCidr: "192.0.2.0/24" },
      { senderDomain: "partner.example", clientCidr: "2001:db8::/32" },
      { clientName: "*.partner.example" },
    ),
    level: fc.constantFrom("accept", "require"),
    clientCertificateMode: fc.constantFrom("none", "request"),
    reason: fc.constant("moves"),
    expiresAt: fc.integer({ min: 1, max: 60 }).map((days) => hoursFromNow(24 * days).toISOString()),
  },
  { requiredKeys: ["match", "reason", "level"] },
);

const domain = fc.record({
  mxHosts: fc.subarray(HOSTS),
  labels,
  hasCertificate: fc.boolean(),
  trustStores: fc.subarray([0, 1]),
  level: fc.constantFrom("none", "accept", "require"),
  minVersion: fc.constantFrom("TLSv1.2", "TLSv1.3"),
  mode: fc.constantFrom("none", "request", "require"),
  enforcement: fc.constantFrom("observe", "defer", "reject"),
  exceptions: fc.array(exception, { maxLength: 3 }),
  delivery: fc.option(fc.constant({ nextHop: "smtp://next.example:25", tls: "opportunistic" })),
  acknowledgedWarnings: fc.subarray(["rfc3207-public-mx", "mx-hosts-differ", "enforcement-observe"]),
});

const store = fc.record({
  domains: fc.array(domain, { minLength: 1, maxLength: 4 }),
  certificates: fc.array(
    fc.record({ source: fc.constantFrom("pem", "self-signed", "request"), label, labels }),
    { minLength: 1, maxLength: 3 },
  ),
  trustStores: fc.tuple(fc.record({ label, labels }), fc.record({ label, labels })),
  daysLater: fc.constantFrom(0, 15, 25, 100),
});
type RandomStore = typeof store extends fc.Arbitrary<infer T> ? T : never;

/** Fills the store; settings that the rules refuse are left out. @returns their paths */
async function filled(api: ApiUnderTest, { domains, certificates, trustStores }: RandomStore) {
  const paths: string[] = [];
  const certificateIds: string[] = [];
  for (const { source, ...named } of certificates) {
    const body = { source, ...(source === "pem" ? PEM : { names: HOSTS }), ...named };
    const { json } = await api.expect(201, "POST", "/v1/certificates", { body });
    paths.push(`/v1/certificates/${json.id}`);
    if (source !== "request") certificateIds.push(json.id);
  }
  const trustStoreIds: string[] = [];
  for (const [n, named] of trustStores.entries()) {
    const content =
      n === 0
        ? { certificatesPem: shortLived.certificatePem }
        : { certificatesPem: lasting.certificatePem, crlPem: CRLS };
    const { json } = await api.expect(201, "POST", "/v1/trust-stores", { body: { ...content, ...named } });
    trustStoreIds.push(json.id);
    paths.push(`/v1/trust-stores/${json.id}`);
  }
  for (const [n, each] of domains.entries()) {
    const {
      level,
      minVersion,
      mode,
      enforcement,
      exceptions,
      hasCertificate,
      trustStores: named,
      ...rest
    } = each;
    const body = {
      ...rest,
      tls: {
        server: { level, minVersion, certificateId: hasCertificate ? (certificateIds[n % 2] ?? null) : null },
        clientCertificate: { mode, trust: { trustStoreIds: named.map((at) => trustStoreIds[at]) } },
        enforcement,
        exceptions,
      },
    };
    const path = `/v1/domains/d${n}.example`;
    const { status, text } = await api.send("PUT", `${path}?sharedHosts=move`, { body });
    expect([201, 422], text).toContain(status);
    if (status === 201) paths.push(path, `${path}/tls`);
  }
  return paths;
}

describe("what GET answers", () => {
  it("is taken back by PUT and PATCH at any later time, and changes nothing", async () => {
    await fc.assert(
      fc.asyncProperty(store, async (random) => {
        const api = await startApi();
        const paths = await filled(api, random);
        api.advance(random.daysLater * DAY_MS);
        const head = await api.store.head();
        for (const path of paths) {
          const { json, headers } = await api.expect(200, "GET", path);
          const sent = { body: json, headers: { "If-Match": headers.get("etag") ?? "" } };
          for (const method of methodsOf(path)) {
            const answer = await api.expect(200, method, path, sent);
            expect(answer.headers.get("etag"), `${method} ${path}`).toBe(headers.get("etag"));
            expect(withoutTime(answer.json)).toEqual(withoutTime(json));
          }
        }
        expect(await api.store.head()).toBe(head);
        expect((await api.store.changesAfter(head, 10)).entries).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});

describe("material of a certificate", () => {
  it("that is sent again with the same certificate and key changes nothing, with the chain in any order", async () => {
    const api = await startApi();
    const body = { source: "pem", ...PEM };
    const { json } = await api.expect(201, "POST", "/v1/certificates", { body });
    const head = await api.store.head();
    for (const again of [body, { certificatePem: PEM.privateKeyPem + PEM.certificatePem }]) {
      const path = `/v1/certificates/${json.id}/material`;
      const answer = await api.expect(200, "PUT", path, { body: again, headers: { "If-Match": "*" } });
      expect(answer.json).toMatchObject({ version: 1, revision: json.revision });
    }
    expect(await api.store.head()).toBe(head);
  });
});

describe("a trust store whose CRLs have run out", () => {
  it("takes another label with the same content, and is judged by the rules of now with other content", async () => {
    const api = await startApi();
    const content = { certificatesPem: lasting.certificatePem, crlPem: CRLS };
    const { json } = await api.expect(201, "POST", "/v1/trust-stores", { body: content });
    api.advance(11 * DAY_MS);
    const path = `/v1/trust-stores/${json.id}`;
    const headers = { "If-Match": "*" };
    const labelled = await api.expect(200, "PUT", path, { body: { ...content, label: "old" }, headers });
    expect(labelled.json).toMatchObject({ label: "old", contentSha256: json.contentSha256, previous: [] });
    const certificatesPem = lasting.certificatePem + shortLived.certificatePem;
    await api.expect(422, "PUT", path, { body: { ...content, certificatesPem }, headers });
  });
});

/** Certificates have no PUT; a domain's PATCH of a whole document has null for what has no value. */
const methodsOf = (path: string): readonly string[] => {
  if (path.startsWith("/v1/certificates/")) return ["PATCH"];
  return path.startsWith("/v1/trust-stores/") ? ["PUT"] : ["PUT", "PATCH"];
};

/** An answer depends on the time in what is computed, and the clock of the tests moves. */
const withoutTime = ({ warnings: _warnings, ...rest }: Json): Json => rest;
