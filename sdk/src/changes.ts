import { type Call, type CallOptions, dataOf } from "./call.ts";
import type { QueryOf } from "./operations.ts";
import { type List, listOf } from "./pages.ts";
import type { ChangePage } from "./schemas.ts";

export type ChangeFilter = QueryOf<"/v1/changes", "get">;

export interface Changes {
  /** Oldest first; newest first with `order: "desc"`. With `wait` it follows the log and does not end. */
  list(filter?: ChangeFilter, options?: CallOptions): List<ChangePage>;
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
  };
}
