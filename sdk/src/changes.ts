import { type Call, type CallOptions, type ConditionOptions, dataOf, type KeyOptions } from "./call.ts";
import type { QueryOf } from "./operations.ts";
import { type List, listOf } from "./pages.ts";
import type { Change, ChangePage } from "./schemas.ts";

export type ChangeFilter = QueryOf<"/v1/changes", "get">;

export interface RevertOptions extends ConditionOptions, KeyOptions {
  /** `move`: also change the certificate that the account's other domains serve on these MX hosts. */
  readonly sharedHosts?: "move" | undefined;
}

export interface Changes {
  /** Oldest first; newest first with `order: "desc"`. With `wait` it follows the log and does not end. */
  list(filter?: ChangeFilter, options?: CallOptions): List<ChangePage>;
  /**
   * Writes the record back as it was before the change. Without a condition, it must be as the change left
   * it; otherwise `changed-since`.
   *
   * @returns the new change; null = the record was already as before
   */
  revert(revision: number, options?: RevertOptions): Promise<Change | null>;
}

export function changes(call: Call): Changes {
  return {
    list: (filter = {}, options = {}) =>
      listOf((cursor) => {
        // The cursor of this list is a revision, on the side that the order leads to.
        const edge = filter.order === "desc" ? "before" : "after";
        const query = cursor === undefined ? filter : { ...filter, [edge]: Number(cursor) };
        return dataOf(call("get", "/v1/changes", { query, options }));
      }),
    revert: async (revision, { sharedHosts, ...options } = {}) => {
      const path = "/v1/changes/{revision}/revert";
      const init = { path: { revision }, query: { sharedHosts }, options };
      return (await dataOf(call("post", path, init))).change;
    },
  };
}
