/** Entries of the change log as they are shown. */

import { loggedCertificate } from "../../core/management/certificate-view.ts";
import { loggedDomain } from "../../core/management/domain-view.ts";
import { jsonDiff } from "../../core/management/json-diff.ts";
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import type { ChangeListing, ChangePage } from "../../core/management/change-log.ts";
import { CAPS } from "../../core/limits.ts";
import type { ChangeOrder, LogEntry } from "../../core/store/store.ts";
import { NDJSON_TYPE } from "./line-type.ts";
import { withinBytes } from "./page-bytes.ts";

/** An entry without its account, with what changed at the MX hosts in place of their items. Never PEM. */
export function changeView(entry: LogEntry) {
  const view = withoutDiff(entry);
  return { ...view, diff: jsonDiff(view.before, view.after) };
}

/** Pages that are read for one answer: a filter may leave out most entries. */
const MOST_PAGES = 50;

/** A page as JSON: it ends before the first entry that has no room in it. */
export function changePage({ items, unreadable, next }: ChangePage, order: ChangeOrder) {
  const shown = withinBytes(items, changeView);
  const last = shown.at(-1);
  if (last === undefined || shown.length === items.length)
    return { items: shown, unreadable, nextCursor: next };
  const isBefore = (revision: number): boolean =>
    order === "desc" ? revision > last.revision : revision < last.revision;
  return {
    items: shown,
    unreadable: unreadable.filter(({ revision }) => isBefore(revision)),
    nextCursor: String(last.revision),
  };
}

interface LinesOf extends ChangeListing {
  /** false = one page. */
  readonly isWhole: boolean;
}

/**
 * Entries as NDJSON, up to the bytes of one answer. @param source a page, or what reads one
 * @returns `next` as that of a page: where the entries go on; null = these are all
 */
export async function changeLines(
  source: ChangePage | ((listing: ChangeListing) => Promise<ChangePage>),
  { isWhole, ...listing }: LinesOf,
): Promise<{ readonly text: string; readonly next: string | null }> {
  const edge = listing.order === "desc" ? "before" : "after";
  const limit = isWhole ? CAPS.pageSize : listing.limit;
  const lines: string[] = [];
  let bytes = 0;
  let next: string | null = null;
  for (let pages = 0; pages < (isWhole ? MOST_PAGES : 1); pages += 1) {
    const from = next === null ? {} : { [edge]: Number(next) };
    const page: ChangePage =
      typeof source === "function" ? await source({ ...listing, ...from, limit }) : source;
    for (const { revision, line } of linesOf(page, listing.order)) {
      bytes += Buffer.byteLength(line);
      if (bytes > CAPS.pageBytes && lines.length > 0) return { text: lines.join(""), next };
      lines.push(line);
      next = String(revision);
    }
    next = page.next;
    if (next === null) break;
  }
  return { text: lines.join(""), next };
}

/** By revision, both what can be read and what cannot. */
function* linesOf({ items, unreadable }: ChangePage, order: ChangeOrder) {
  const direction = order === "desc" ? -1 : 1;
  const entries = [
    ...items.map((entry) => ({ revision: entry.revision, shown: () => changeView(entry) })),
    ...unreadable.map(({ revision, kind, id, problem }) => ({
      revision,
      shown: () => ({ revision, kind: "unreadable", item: { kind, id }, problem }),
    })),
  ].toSorted((a, b) => direction * (a.revision - b.revision));
  for (const { revision, shown } of entries) yield { revision, line: `${JSON.stringify(shown())}\n` };
}

function withoutDiff({ account: _account, record, hosts, revision, at, actor, action, ...others }: LogEntry) {
  const mxHosts = hosts.flatMap(({ host, before, after }) => {
    const certificateBefore = before?.certificateId ?? null;
    const certificateAfter = after?.certificateId ?? null;
    return certificateBefore === certificateAfter ? [] : { host, certificateBefore, certificateAfter };
  });
  const entry = { revision, at, actor, action, mxHosts, ...others };
  switch (record.kind) {
    case "domain": {
      const before = record.before && loggedDomain(record.before);
      const after = record.after && loggedDomain(record.after);
      return { ...entry, ...named(record.kind, record.id), before, after };
    }
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

/** Whether the client prefers NDJSON to JSON. */
export const wantsLines = (c: Context): boolean =>
  accepts(c, {
    header: "Accept",
    supports: ["application/json", NDJSON_TYPE],
    default: "application/json",
  }) === NDJSON_TYPE;

/** RFC 8288: the same request, after the entries of this answer. */
export function nextLink(url: string, order: ChangeOrder, next: string): string {
  const { pathname, searchParams } = new URL(url);
  searchParams.set(order === "desc" ? "before" : "after", next);
  return `<${pathname}?${searchParams.toString()}>; rel="next"`;
}
