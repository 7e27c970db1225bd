import { differences } from "./differences.ts";
import { isSame } from "./file-schema.ts";
import { type PemBlock, pemBlocks, pemText } from "./pem.ts";
import { newId, type Report, type TrustStoreStep } from "./step.ts";
import type { PosternFile } from "./postern-file.ts";
import type { Stored } from "./stored.ts";

export interface LabelledSteps<S> {
  readonly steps: readonly S[];
  /** Ids by `<kind>:<label>`. */
  readonly ids: Readonly<Record<string, string>>;
}

/** The record with a label. @returns null if there is none, or several, which is reported */
export function labelled<T extends { readonly id: string; readonly label: string | null }>(
  records: readonly T[],
  label: string,
  onSeveral: (message: string) => void,
): T | null {
  const [record, ...others] = records.filter((each) => each.label === label);
  if (others.length > 0)
    onSeveral(`${others.length + 1} records have the label ${JSON.stringify(label)}: rename all but one`);
  return record ?? null;
}

export function trustStoreSteps(
  file: PosternFile,
  stored: Stored,
  report: Report,
): LabelledSteps<TrustStoreStep> {
  const steps: TrustStoreStep[] = [];
  const ids: Record<string, string> = {};
  for (const [label, wanted] of file.trustStores) {
    const found = labelled(stored.trustStores, label, (message) => report(["trustStores", label], message));
    const content = found === null ? null : stored.trusted.get(found.id);
    ids[`trust-store:${label}`] = found?.id ?? newId("trust-store", label);
    const before = {
      certificates: digests(pemBlocks(content?.certificatesPem ?? "", "CERTIFICATE")),
      crls: digests(pemBlocks(content?.crlPem ?? "", "X509 CRL")),
      labels: content?.labels ?? {},
    };
    const after = {
      certificates: digests(wanted.certificates),
      crls: digests(wanted.crls),
      labels: wanted.labels,
    };
    const changes = differences(before, after);
    if (found !== null && changes.length === 0) continue;
    const removed =
      found === null ? [] : before.certificates.filter((each) => !after.certificates.includes(each));
    steps.push({
      kind: "trust-store",
      action: found === null ? "create" : "update",
      name: label,
      id: found?.id ?? null,
      revision: found?.revision ?? null,
      changes,
      refuses: refusesOf({ removed, hasNewCrls: found !== null && !isSame(before.crls, after.crls) }),
      write: {
        label,
        labels: { ...wanted.labels },
        certificatesPem: pemText(wanted.certificates),
        crlPem: wanted.crls.length === 0 ? null : pemText(wanted.crls),
      },
    });
  }
  return { steps, ids };
}

function refusesOf({
  removed,
  hasNewCrls,
}: {
  removed: readonly string[];
  hasNewCrls: boolean;
}): readonly string[] {
  return [
    ...(removed.length === 0 ? [] : ["clients whose certificates only a removed CA has issued"]),
    ...(hasNewCrls ? ["clients whose certificates the new CRLs revoke"] : []),
  ];
}

const DIGEST_SHOWN = 16;

/** What stands for certificates where they are compared and shown, in any order of the text. */
export const digests = (blocks: readonly PemBlock[]): readonly string[] =>
  blocks.map(({ sha256 }) => `sha256:${sha256.slice(0, DIGEST_SHOWN)}`).toSorted();
