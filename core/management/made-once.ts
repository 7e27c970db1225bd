/** What is costly and made while a write is built: once for the write, however often it is built again. */

/**
 * Makes again only where `of`, which is all that the making depends on, differs from each time before. What
 * failed is made again, too.
 */
export function madeOnce<Made>(): (of: unknown, make: () => Promise<Made>) => Promise<Made> {
  const made = new Map<string, Made>();
  return async (of, make) => {
    const key = JSON.stringify(of);
    const present = made.get(key);
    if (present !== undefined) return present;
    const fresh = await make();
    made.set(key, fresh);
    return fresh;
  };
}
