import * as fc from "fast-check";
import type { ApiUnderTest } from "../support/api.ts";
import { makeCrl } from "../support/crl-writer.ts";
import { issueServer, makeCa } from "../support/pki.ts";

/** Texts that YAML would read as something else, or that need quotes. */
const TEXTS = [
  "yes",
  "1.10",
  "~",
  "# no comment",
  "a: b",
  "- a",
  " padded ",
  "'",
  '"',
  "ü 漢",
  "{}",
  "2026-01-31",
  "a\u200bb",
];
const LABELS = ["mx", ...TEXTS, "", "__proto__", "constructor"];
const HOSTS = ["mx1.example", "mx2.example", "mx3.example"];

const text = fc.constantFrom(...TEXTS);
const labels = fc.dictionary(fc.constantFrom("team", "managed-by", "a.b-c", "1", "true"), text, {
  maxKeys: 4,
});
const label = fc.option(fc.constantFrom(...LABELS), { freq: 4 });

const root = makeCa({ name: "Random Root" });
const between = makeCa({ name: "Random Intermediate", parent: root });
const strangers = [makeCa({ name: "Random CA 1" }), makeCa({ name: "Random CA 2" })];
const upload = issueServer({ names: HOSTS, ca: between });

const certificate = fc
  .oneof(
    fc.record({
      source: fc.constant("self-signed"),
      names: fc.constant(HOSTS),
      keyType: fc.constantFrom("ecdsa-p256", "ecdsa-p384"),
      days: fc.constantFrom(30, 365),
    }),
    fc.record({ source: fc.constant("request"), names: fc.shuffledSubarray(HOSTS, { minLength: 1 }) }),
    fc.constant({ source: "pem", certificatePem: upload.bundlePem, privateKeyPem: upload.privateKeyPem }),
  )
  .chain((order) => fc.record({ label, labels }).map((named) => ({ ...order, ...named })));

const trustStore = fc.record({
  label,
  labels,
  certificatesPem: fc
    .shuffledSubarray([root, ...strangers], { minLength: 1 })
    .map((cas) => cas.map(({ certificatePem }) => certificatePem).join("")),
  crlPem: fc.constant(null),
});
const withCrl = fc.record({ label, labels }).map((named) => ({
  ...named,
  certificatesPem: root.certificatePem,
  crlPem: makeCrl({ ca: root }),
}));

const exception = fc.record(
  {
    match: fc.record(
      {
        clientCidr: fc.constantFrom("192.0.2.0/24", "2001:db8::/32"),
        senderDomain: fc.constant("sender.example"),
      },
      { requiredKeys: ["clientCidr"] },
    ),
    level: fc.constantFrom("none", "accept", "require"),
    reason: text,
    expiresAt: fc.constant("2999-01-31T00:00:00Z"),
  },
  { requiredKeys: ["match", "reason"] },
);

/** Of a domain; `certificate` and `trust` pick from what exists. */
const domain = fc.record({
  mxHosts: fc.shuffledSubarray(HOSTS),
  level: fc.constantFrom("none", "accept", "require"),
  minVersion: fc.constantFrom("TLSv1.2", "TLSv1.3"),
  certificate: fc.nat(9),
  mode: fc.constantFrom("none", "request", "require"),
  trust: fc.array(fc.nat(9), { maxLength: 3 }),
  match: fc.constantFrom("helo", "any"),
  enforcement: fc.constantFrom("observe", "defer", "reject"),
  exceptions: fc.array(exception, { maxLength: 2 }),
  delivery: fc.option(
    fc.record({
      nextHop: fc.constant("smtp://next.example:25"),
      tls: fc.constantFrom("require", "opportunistic"),
    }),
  ),
  acknowledgedWarnings: fc.shuffledSubarray(["rfc3207-public-mx", "enforcement-observe"]),
  labels,
});

export const randomStore = fc.record({
  certificates: fc.array(certificate, { maxLength: 4 }),
  trustStores: fc.array(fc.oneof(trustStore, withCrl), { maxLength: 3 }),
  domains: fc.array(domain, { maxLength: 6 }),
});
type RandomStore = typeof randomStore extends fc.Arbitrary<infer T> ? T : never;

/** Writes a random store through the API. What its rules refuse is left out. @returns how many are stored */
export async function fillStore(api: ApiUnderTest, store: RandomStore): Promise<number> {
  const create = async (path: string, bodies: readonly object[]): Promise<readonly string[]> => {
    const ids: string[] = [];
    for (const body of bodies) {
      const { status, json } = await api.send("POST", path, { body });
      if (status === 201) ids.push(String(json.id));
    }
    return ids;
  };
  const certificates = await create("/v1/certificates", store.certificates);
  const trustStores = await create("/v1/trust-stores", store.trustStores);
  let domains = 0;
  for (const [index, each] of store.domains.entries()) {
    const { mxHosts, level, minVersion, mode, match, enforcement, exceptions, ...rest } = each;
    const trustStoreIds = [...new Set(each.trust.flatMap((nth) => trustStores[nth] ?? []))];
    const { certificate: nth, trust: _trust, ...others } = rest;
    const tls = {
      server: { level, minVersion, certificateId: certificates[nth] ?? null },
      clientCertificate: { mode, trust: { trustStoreIds }, names: { match } },
      enforcement,
      exceptions,
    };
    const path = `/v1/domains/d${index}.example?sharedHosts=move`;
    const { status } = await api.send("PUT", path, { body: { ...others, mxHosts, tls } });
    if (status === 201) domains += 1;
  }
  return certificates.length + trustStores.length + domains;
}
