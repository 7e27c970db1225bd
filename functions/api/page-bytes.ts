/** Pages that end early: an answer of a Lambda function has at most 6 MB. */

import { CAPS } from "../../core/limits.ts";

/**
 * The first items, as they are shown, that have room in one answer: at least one, so that every list goes on.
 */
export function withinBytes<T, U>(
  items: readonly T[],
  show: (item: T) => U,
  mostBytes: number = CAPS.pageBytes,
): readonly U[] {
  const shown: U[] = [];
  let bytes = 0;
  for (const item of items) {
    const next = show(item);
    bytes += Buffer.byteLength(JSON.stringify(next)) + 1;
    if (bytes > mostBytes && shown.length > 0) break;
    shown.push(next);
  }
  return shown;
}

interface KeyedPage<T, U> {
  readonly items: readonly T[];
  readonly unreadable: readonly U[];
  readonly next: string | null;
}

/** The page up to the last record that has room. @param keyOf what the list is in order of */
export function pageWithinBytes<T, U extends { readonly id: string }>(
  page: KeyedPage<T, U>,
  keyOf: (item: T) => string,
  mostBytes?: number,
): KeyedPage<T, U> {
  const items = withinBytes(page.items, (item) => item, mostBytes);
  const last = items.at(-1);
  if (last === undefined || items.length === page.items.length) return page;
  const next = keyOf(last);
  return { items, unreadable: page.unreadable.filter(({ id }) => id < next), next };
}
