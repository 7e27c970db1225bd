type Ending = () => Promise<void>;

const endings: Ending[] = [];

/** What a test file starts registers here how it ends, even when the start of something later fails. */
export function atTheEnd(ending: Ending): void {
  endings.push(ending);
}

/**
 * Ends all of it, the last started first; for `afterAll`. Throws what went wrong when everything has ended.
 */
export async function endEverything(): Promise<void> {
  const failures: unknown[] = [];
  for (const ending of endings.splice(0).toReversed()) {
    await ending().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, "something did not end in order");
}
