import type { Certificate } from "../../../sdk/src/index.ts";
import { differences, type FieldChange } from "./differences.ts";
import { isSame, withDefaults } from "./file-schema.ts";
import { pemBlocks, pemText, uploaded } from "./pem.ts";
import { type CertificateStep, type CertificateWrite, newId, type Report } from "./step.ts";
import type { PosternFile, WantedCertificate } from "./postern-file.ts";
import { keyTypesOf, type Stored } from "./stored.ts";
import { digests, labelled, type LabelledSteps } from "./trust-store-steps.ts";

export function certificateSteps(
  file: PosternFile,
  stored: Stored,
  report: Report,
): LabelledSteps<CertificateStep> {
  const steps: CertificateStep[] = [];
  const ids: Record<string, string> = {};
  for (const [label, wanted] of file.certificates) {
    const say = (message: string): void => report(["certificates", label], message);
    const found = labelled(stored.certificates, label, say);
    ids[`certificate:${label}`] = found?.id ?? newId("certificate", label);
    const step =
      found === null
        ? creation(label, wanted, say)
        : update(found, { label, wanted, chainPem: stored.chains.get(found.id) ?? "", say });
    if (step !== null) steps.push(step);
  }
  return { steps, ids };
}

type Say = (message: string) => void;

function creation(label: string, wanted: WantedCertificate, say: Say): CertificateStep {
  const { order, material, privateKeyFile, renewalKey, labels } = wanted;
  if (order === null && privateKeyFile === null)
    say("privateKeyFile is missing: a new certificate needs its private key");
  if (order?.source === "request" && material.length > 0)
    say("a certificate for a signing request that does not exist yet: leave certificateFile out");
  const content = order === null ? { source: "pem", certificates: digests(material) } : order;
  const write: CertificateWrite = {
    order,
    certificatePem: order === null ? pemText(material) : null,
    privateKeyFile,
    labels,
    renewalKey,
  };
  return {
    kind: "certificate",
    action: "create",
    name: label,
    id: null,
    revision: null,
    changes: differences({}, { ...content, ...(renewalKey === null ? {} : { renewalKey }), labels }),
    refuses: [],
    write,
  };
}

interface Updating {
  readonly label: string;
  readonly wanted: WantedCertificate;
  readonly chainPem: string;
  readonly say: Say;
}

function update(found: Certificate, { label, wanted, chainPem, say }: Updating): CertificateStep | null {
  const { order, material, privateKeyFile, renewalKey, labels } = wanted;
  const changed = order === null ? [] : orderChanges(found, order);
  if (changed.length > 0)
    say(`${changed.join(", ")} of an existing certificate cannot change: give the new one another label`);
  const served = pemBlocks(chainPem, "CERTIFICATE");
  const hasMaterial = material.length > 0 && !isServed(found, { wanted, chainPem });
  const changes: FieldChange[] = [
    ...(order === null && GENERATED.has(found.source)
      ? [{ field: "source", before: found.source, after: "pem" }]
      : []),
    ...(hasMaterial ? [{ field: "certificates", before: digests(served), after: digests(material) }] : []),
    ...(renewalKey === null || found.renewal.key === renewalKey
      ? []
      : [{ field: "renewalKey", before: found.renewal.key, after: renewalKey }]),
    ...differences(found.labels, labels, "labels"),
  ];
  if (changes.length === 0) return null;
  const write: CertificateWrite = {
    order: null,
    certificatePem: changes.some(({ field }) => MATERIAL_FIELDS.has(field)) ? pemText(material) : null,
    privateKeyFile: order === null ? privateKeyFile : null,
    labels: isSame(found.labels, labels) ? null : labels,
    renewalKey: found.renewal.key === renewalKey ? null : renewalKey,
  };
  return {
    kind: "certificate",
    action: "update",
    name: label,
    id: found.id,
    revision: found.revision,
    changes,
    refuses: [],
    write,
  };
}

/** Sources that Postern or ACM make the material of. */
const GENERATED: ReadonlySet<string> = new Set(["self-signed", "acme", "acm"]);
const MATERIAL_FIELDS: ReadonlySet<string> = new Set(["source", "certificates"]);

/** Whether the API serves what the file has, apart from certificates that no leaf of it needs. */
function isServed(found: Certificate, { wanted, chainPem }: Pick<Updating, "wanted" | "chainPem">): boolean {
  const { all, leaves, needed } = uploaded(wanted.material);
  const served = new Set(pemBlocks(chainPem, "CERTIFICATE").map(({ sha256 }) => sha256));
  const own = new Set(found.keys.map(({ fingerprintSha256 }) => fingerprintSha256));
  const isWhole = leaves.length < own.size || [...served].every((each) => all.has(each));
  return isWhole && leaves.every((each) => own.has(each)) && needed.every((each) => served.has(each));
}

/** Members in which an order differs from the certificate that it is for. */
function orderChanges(found: Certificate, order: NonNullable<WantedCertificate["order"]>): readonly string[] {
  const wanted = withDefaults(DEFINITIONS[order.source], order) as typeof order;
  const differs: Readonly<Record<string, boolean>> = {
    source: found.source !== order.source,
    // A CA may have issued other names than were requested.
    names: !(order.source === "request" && found.version !== null) && !isSameSet(found.names, order.names),
    keyType: !isSameSet(keyTypesOf(found) ?? keyTypesWanted(order), keyTypesWanted(order)),
    ...(wanted.source === "acme" && found.acme !== undefined
      ? {
          directory: found.acme.directory !== wanted.directory,
          challenge: found.acme.challenge !== wanted.challenge,
          profile: found.acme.profile !== (wanted.profile ?? null),
        }
      : {}),
  };
  return Object.keys(differs).filter((field) => differs[field] === true);
}

const DEFINITIONS = {
  "self-signed": "SelfSignedCertificateInput",
  request: "RequestCertificateInput",
  acme: "AcmeCertificateInput",
  acm: "AcmCertificateInput",
} as const;

const DEFAULT_KEY_TYPE = "ecdsa-p256";

const keyTypesWanted = (order: NonNullable<WantedCertificate["order"]>): readonly string[] =>
  ("keyTypes" in order ? order.keyTypes : undefined) ?? [order.keyType ?? DEFAULT_KEY_TYPE];

const isSameSet = (a: readonly string[], b: readonly string[]): boolean =>
  isSame([...new Set(a)].toSorted(), [...new Set(b)].toSorted());
