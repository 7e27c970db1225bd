/** A page of a list. It may be short or empty although more follow. */
interface AnyPage {
  readonly items: readonly unknown[];
  readonly nextCursor: string | number | null;
}

/** A list, read page by page while it is iterated. */
export interface List<Page extends AnyPage> extends AsyncIterable<Page["items"][number]> {
  /** The pages themselves, with what else they have: records that cannot be read. */
  pages(): AsyncIterable<Page>;
}

/** @param read reads one page; undefined = the first. */
export function listOf<Page extends AnyPage>(
  read: (cursor: NonNullable<Page["nextCursor"]> | undefined) => Promise<Page>,
): List<Page> {
  async function* pages(): AsyncGenerator<Page, void, void> {
    let cursor: NonNullable<Page["nextCursor"]> | undefined;
    do {
      const page = await read(cursor);
      yield page;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }
  return {
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const { items } of pages()) yield* items;
    },
  };
}
