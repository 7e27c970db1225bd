/** Pages of lists that a store cannot filter itself. */

import type { Labels } from "../record/labels.ts";
import type { Page, PageRequest, UnreadableItem } from "../store/store.ts";

/** Records that one page looks at. */
const MOST_LOOKED_AT = 1_000;
/**
 * Records of one request to the store at least: where one is left to find, a request for each would take
 * seconds.
 */
const LEAST_AT_ONCE = 50;

interface Filtered<T> {
  readonly read: (page: PageRequest) => Promise<Page<T>>;
  /** Those of one read that are shown, in its order. */
  readonly keep: (items: readonly T[]) => readonly T[] | Promise<readonly T[]>;
  /** What the list is in order of. */
  readonly keyOf: (item: T) => string;
}

/**
 * A page of those that are kept; it ends early rather than look at too many. Records that cannot be read are
 * all shown: what they hold is not known.
 */
export async function filteredPage<T>(
  { read, keep, keyOf }: Filtered<T>,
  page: PageRequest,
): Promise<Page<T>> {
  const items: T[] = [];
  const unreadable: UnreadableItem[] = [];
  let next: string | null = page.after ?? null;
  for (let lookedAt = 0; ; ) {
    const limit = Math.max(LEAST_AT_ONCE, page.limit - items.length);
    const found = await read({ limit, after: next ?? undefined });
    items.push(...(await keep(found.items)));
    unreadable.push(...found.unreadable);
    lookedAt += limit;
    next = found.next;
    if (items.length > page.limit) return firstOf({ items, unreadable, limit: page.limit, keyOf });
    if (next === null || items.length === page.limit || lookedAt >= MOST_LOOKED_AT)
      return { items, unreadable, next };
  }
}

/** The page that ends with its `limit`th record, where more were found. */
function firstOf<T>({
  items,
  unreadable,
  limit,
  keyOf,
}: Pick<Page<T>, "items" | "unreadable"> & {
  readonly limit: number;
  readonly keyOf: (item: T) => string;
}): Page<T> {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  const next = last === undefined ? null : keyOf(last);
  return { items: shown, unreadable: unreadable.filter(({ id }) => next !== null && id < next), next };
}

/** A label that a list is filtered by; without a value, any that it has. */
export interface WantedLabel {
  readonly name: string;
  readonly value?: string | undefined;
}

interface Labelled {
  readonly labels: Labels;
}

/** The records that have all of the labels. */
export const withLabels = <T extends Labelled>(
  items: readonly T[],
  wanted: readonly WantedLabel[],
): readonly T[] => items.filter(({ labels }) => wanted.every((each) => hasLabel(labels, each)));

const hasLabel = (labels: Labels, { name, value }: WantedLabel): boolean =>
  Object.hasOwn(labels, name) && (value === undefined || labels[name] === value);

/** As `filteredPage`, by labels; none = as the store has it. */
export const labelledPage = <T extends Labelled & { readonly id: string }>(
  read: (page: PageRequest) => Promise<Page<T>>,
  labels: readonly WantedLabel[],
  page: PageRequest,
): Promise<Page<T>> =>
  labels.length === 0
    ? read(page)
    : filteredPage({ read, keep: (items) => withLabels(items, labels), keyOf: ({ id }) => id }, page);
