import { certificateSteps } from "./certificate-steps.ts";
import { domainSteps } from "./domain-steps.ts";
import { type Mistake, Mistakes } from "./mistakes.ts";
import { MANAGED_BY, type PosternFile } from "./postern-file.ts";
import type { Kind, Report, Step } from "./step.ts";
import type { Stored } from "./stored.ts";
import { trustStoreSteps } from "./trust-store-steps.ts";

/** Writes that turn the stored records into those of a file, in their order. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly unchanged: number;
  /** Records that carry the file's name and are not in it, and stay for want of `--prune`. */
  readonly kept: readonly { readonly kind: Kind; readonly name: string }[];
  /** Ids of certificates and trust stores that the domains of the plan may name by label. */
  readonly ids: Readonly<Record<string, string>>;
}

export interface PlanOptions {
  readonly prune: boolean;
  /** Deletions over MOST_DELETED too. */
  readonly force: boolean;
}

/** Share of the records of a file's name that one plan deletes. */
const MOST_DELETED = 0.3;

/**
 * Compares a file with what is stored.
 *
 * @throws Mistakes, where the file asks for something that no write can do
 */
export function makePlan(file: PosternFile, stored: Stored, options: PlanOptions): Plan {
  const mistakes: Mistake[] = [];
  const report: Report = (path, message) => mistakes.push({ ...file.placeOf(path, "key"), message });
  const trustStores = trustStoreSteps(file, stored, report);
  const certificates = certificateSteps(file, stored, report);
  const ids = { ...trustStores.ids, ...certificates.ids };
  const domains = domainSteps(file, stored, { ids, report });
  const absent = absentFrom(file, stored);
  const deletions = options.prune ? absent : [];
  if (options.prune && file.name === null)
    report([], "--prune needs the file's name: only records with its label managed-by are deleted");
  if (!options.force) checkShare({ file, stored, report }, deletions);
  if (mistakes.length > 0) throw new Mistakes(mistakes);
  const steps = [...trustStores.steps, ...certificates.steps, ...domains, ...deletions];
  const entries = file.trustStores.size + file.certificates.size + file.domains.size;
  const written = steps.filter(({ action }) => action !== "delete").length;
  return {
    steps,
    unchanged: entries - written,
    kept: options.prune ? [] : absent.map(({ kind, name }) => ({ kind, name })),
    ids,
  };
}

/** Deletions of the records with the file's name that it does not have: domains first, which name others. */
function absentFrom(file: PosternFile, stored: Stored): readonly Step[] {
  const isOwn = ({ labels }: { readonly labels: Readonly<Record<string, string>> }): boolean =>
    file.name !== null && labels[MANAGED_BY] === file.name;
  const deletion = <K extends Kind>(kind: K, name: string, of: { id: string | null; revision: number }) =>
    ({ kind, action: "delete", name, ...of, changes: [], write: null }) as const;
  const domains = [...stored.domains.values()].filter(isOwn).filter(({ name }) => !file.domains.has(name));
  const certificates = stored.certificates
    .filter(isOwn)
    .filter(({ label }) => !file.certificates.has(label ?? ""));
  const trustStores = stored.trustStores
    .filter(isOwn)
    .filter(({ label }) => !file.trustStores.has(label ?? ""));
  return [
    ...domains.map(({ name, revision }) => ({
      ...deletion("domain", name, { id: null, revision }),
      refuses: ["every sender: the domain is not served any more"],
    })),
    ...certificates.map(({ id, label, revision }) => ({
      ...deletion("certificate", label ?? id, { id, revision }),
      refuses: [],
    })),
    ...trustStores.map(({ id, label, revision }) => ({
      ...deletion("trust-store", label ?? id, { id, revision }),
      refuses: [],
    })),
  ];
}

interface Compared {
  readonly file: PosternFile;
  readonly stored: Stored;
  readonly report: Report;
}

function checkShare({ file, stored, report }: Compared, deletions: readonly Step[]): void {
  const all = [...stored.domains.values(), ...stored.certificates, ...stored.trustStores];
  const own = all.filter(({ labels }) => labels[MANAGED_BY] === file.name).length;
  if (deletions.length <= own * MOST_DELETED) return;
  const percent = `${MOST_DELETED * 100} %`;
  report(
    ["name"],
    `${deletions.length} of the ${own} records of ${file.name ?? ""} would be deleted, more than ${percent}: --force does it`,
  );
}
