/** Entries of the change log as they are shown. */

import { loggedCertificate } from "../../core/management/certificate-view.ts";
import { jsonDiff } from "../../core/management/json-diff.ts";
import type { LogEntry } from "../../core/store/store.ts";

/** An entry without its account, with what changed at the MX hosts in place of their items. Never PEM. */
export function changeView(entry: LogEntry) {
  const view = withoutDiff(entry);
  return { ...view, diff: jsonDiff(view.before, view.after) };
}

function withoutDiff({ account: _account, record, hosts, revision, at, actor, action, ...others }: LogEntry) {
  const mxHosts = hosts.flatMap(({ host, before, after }) => {
    const certificateBefore = before?.certificateId ?? null;
    const certificateAfter = after?.certificateId ?? null;
    return certificateBefore === certificateAfter ? [] : { host, certificateBefore, certificateAfter };
  });
  const entry = { revision, at, actor, action, mxHosts, ...others };
  switch (record.kind) {
    case "domain":
      return { ...entry, ...named(record.kind, record.id), before: record.before, after: record.after };
    case "certificate": {
      const before = record.before && loggedCertificate(record.before);
      const after = record.after && loggedCertificate(record.after);
      return { ...entry, ...named(record.kind, record.id), before, after };
    }
    case "trust-store":
      return { ...entry, ...named(record.kind, record.id), before: record.before, after: record.after };
    default:
      return record satisfies never;
  }
}

const named = <K extends string>(kind: K, id: string) => ({ kind, resource: { kind, id } });
