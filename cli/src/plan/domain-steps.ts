import { differences } from "./differences.ts";
import { isSame, withDefaults } from "./file-schema.ts";
import type { DomainStep, Report } from "./step.ts";
import type { DomainSettings, PosternFile, WantedDomain } from "./postern-file.ts";
import { refusedBy } from "./refused.ts";
import { hostUsers } from "./shared-hosts.ts";
import { settingsOf, type Stored } from "./stored.ts";
import { labelled } from "./trust-store-steps.ts";

interface Resolving {
  /** Ids of the file's own records, by `<kind>:<label>`. */
  readonly ids: Readonly<Record<string, string>>;
  readonly report: Report;
}

export function domainSteps(file: PosternFile, stored: Stored, resolving: Resolving): readonly DomainStep[] {
  const { report } = resolving;
  const byLabel = labelLookup(stored, resolving);
  const wanted = new Map(
    [...file.domains].map(([name, domain]) => [name, resolved(name, domain, byLabel)] as const),
  );
  const hosts = hostUsers(wanted, stored, report);
  const defaults = withDefaults("DomainInput", {});
  const steps: DomainStep[] = [];
  for (const [name, settings] of wanted) {
    if (stored.unreadable.has(`domain ${name}`))
      report(
        ["domains", name],
        "its stored record cannot be read: replace or delete it through the API first",
      );
    const found = stored.domains.get(name);
    const before = found === undefined ? null : settingsOf(found);
    const after = before === null ? settings : withOrderOf(before, settings);
    const changes = differences(before ?? defaults, after);
    if (before !== null && changes.length === 0) continue;
    steps.push({
      kind: "domain",
      action: before === null ? "create" : "update",
      name,
      id: null,
      revision: found?.revision ?? null,
      changes,
      refuses: before === null ? [] : refusedBy(before, after),
      write: { put: after, movesHosts: hosts.areMovedBy(name, after) },
    });
  }
  return steps;
}

type LabelLookup = (kind: "certificate" | "trust-store", label: string, at: readonly string[]) => string;

/** Labels of the file first, then those of other stored records. */
function labelLookup(stored: Stored, { ids, report }: Resolving): LabelLookup {
  return (kind, label, at) => {
    const own = ids[`${kind}:${label}`];
    if (own !== undefined) return own;
    const records: readonly { readonly id: string; readonly label: string | null }[] =
      kind === "certificate" ? stored.certificates : stored.trustStores;
    const found = labelled(records, label, (message) => report(at, message));
    if (found === null) report(at, `no ${kind} has the label ${JSON.stringify(label)}`);
    return found?.id ?? "";
  };
}

function resolved(
  name: string,
  { settings, certificate, trustStores }: WantedDomain,
  byLabel: LabelLookup,
): DomainSettings {
  if (certificate === null && trustStores.length === 0) return settings;
  const { server, clientCertificate } = settings.tls;
  const { trust } = clientCertificate;
  const at = ["domains", name, "tls"];
  const certificateId =
    certificate === null
      ? server.certificateId
      : byLabel("certificate", certificate, [...at, "server", "certificate"]);
  const trustStoreIds = [
    ...trustStores.map((label) =>
      byLabel("trust-store", label, [...at, "clientCertificate", "trust", "trustStores"]),
    ),
    ...trust.trustStoreIds,
  ];
  return {
    ...settings,
    tls: {
      ...settings.tls,
      server: { ...server, certificateId },
      clientCertificate: { ...clientCertificate, trust: { ...trust, trustStoreIds } },
    },
  };
}

/** With the trust stores in the stored order, where they are the same ones: it has no meaning. */
function withOrderOf(before: DomainSettings, after: DomainSettings): DomainSettings {
  const [old, { trust, ...rest }] = [
    before.tls.clientCertificate.trust.trustStoreIds,
    after.tls.clientCertificate,
  ];
  if (!isSame(old.toSorted(), trust.trustStoreIds.toSorted())) return after;
  const clientCertificate = { ...rest, trust: { ...trust, trustStoreIds: old } };
  return { ...after, tls: { ...after.tls, clientCertificate } };
}
