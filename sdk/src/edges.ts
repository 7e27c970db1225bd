import { type Call, type CallOptions, dataOf } from "./call.ts";
import { type List, listOf } from "./pages.ts";
import type { EdgePage } from "./schemas.ts";

export interface Edges {
  list(options?: CallOptions): List<EdgePage>;
}

export function edges(call: Call): Edges {
  return {
    list: (options = {}) => listOf(() => dataOf(call("get", "/v1/edges", { options }))),
  };
}
