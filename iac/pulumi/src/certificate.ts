import type {
  Certificate,
  CertificateInput,
  CertificateMaterialInput,
  CertificatePatch,
  Postern,
  Tagged,
} from "../../../sdk/src/index.ts";
import { failuresOf } from "./input-check.ts";
import { labelled } from "./labelled.ts";
import type { Found, RecordKind, Write } from "./record-kind.ts";
import { isSame, pick } from "./values.ts";

const found = (certificate: Tagged<Certificate>): Found => ({
  id: certificate.id,
  etag: certificate.etag,
  record: { ...certificate },
});

/** Changed in place. */
const PATCHED = ["label", "labels"];
/** Material of an uploaded certificate: another one is a new version of the same certificate. */
const MATERIAL = [
  "certificatePem",
  "chainPem",
  "privateKeyPem",
  "privateKeyPassphrase",
  "pkcs12",
  "passphrase",
];
const SCHEMAS = {
  "self-signed": "SelfSignedCertificateInput",
  pem: "PemCertificateInput",
  pkcs12: "Pkcs12CertificateInput",
  request: "RequestCertificateInput",
  acme: "AcmeCertificateInput",
  acm: "AcmCertificateInput",
} as const satisfies Readonly<Record<CertificateInput["source"], string>>;

const isSource = (source: unknown): source is CertificateInput["source"] =>
  typeof source === "string" && Object.hasOwn(SCHEMAS, source);

async function update({ certificates }: Postern, { id, etag, before, after }: Write): Promise<Found> {
  let current = { etag };
  const material = pick(after, MATERIAL);
  let written: Tagged<Certificate> | null = null;
  if (!isSame(pick(before, MATERIAL), material)) {
    const body = { source: after["source"], ...material } as unknown as CertificateMaterialInput;
    written = await certificates.putMaterial(id, body, { ifMatch: current });
    current = written;
  }
  // What the program no longer has is its default again.
  const patch: CertificatePatch = { label: null, labels: null, ...pick(after, PATCHED) };
  const labels = { ...nulls(before["labels"]), ...(after["labels"] as object | undefined) };
  if (written === null || !isSame(pick(before, PATCHED), pick(after, PATCHED)))
    written = await certificates.patch(id, { ...patch, labels }, { ifMatch: current });
  return found(written);
}

/** A merge patch keeps what it does not name. */
const nulls = (labels: unknown): Record<string, null> =>
  Object.fromEntries(Object.keys(labels ?? {}).map((name) => [name, null]));

export const CERTIFICATE: RecordKind = {
  noun: "certificate",
  settings: [...PATCHED, "source"],
  outputs: ["revision", "state", "notAfter", "requests", "validation"],
  check: (inputs) => {
    const { source } = inputs;
    if (isSource(source)) return failuresOf(inputs, SCHEMAS[source]);
    return [{ property: "source", reason: `One of ${Object.keys(SCHEMAS).join(", ")}.` }];
  },
  replacedBy: (before, after) => {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    const inPlace = [...PATCHED, ...MATERIAL];
    return [...keys].filter((key) => !inPlace.includes(key) && !isSame(before[key], after[key]));
  },
  isSameName: () => false,
  nameOf: ({ label }) => (typeof label === "string" ? label : ""),
  create: async ({ certificates }, inputs) =>
    found(await certificates.create(inputs as unknown as CertificateInput)),
  find: async ({ certificates }, name) =>
    labelled(name, { get: async (id) => found(await certificates.get(id)), list: () => certificates.list() }),
  update,
  delete: ({ certificates }, id, etag) => certificates.delete(id, { ifMatch: etag }),
};
