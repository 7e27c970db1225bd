/** Answers of `raw=true`. */

import type { Context } from "hono";
import { rawRecord } from "../../core/management/raw-record.ts";
import type { RecordKind, Store } from "../../core/store/store.ts";
import type { ApiEnv } from "./api-env.ts";
import { etagOf } from "./conditions.ts";
import { RAW_TYPE } from "./line-type.ts";

/**
 * The record as it is stored, with its ETag. What is in it is not known, so no client may guess its type.
 *
 * @throws as `rawRecord`
 */
export async function answerRaw(
  c: Context<ApiEnv>,
  store: Pick<Store, "getRaw">,
  about: { readonly kind: RecordKind; readonly id: string },
): Promise<never> {
  const { text, ...found } = await rawRecord(store, c.get("actor"), about);
  const headers = { "Content-Type": `${RAW_TYPE}; charset=utf-8`, "X-Content-Type-Options": "nosniff" };
  // The types of routes know one form for each status.
  return c.newResponse(text, 200, { ...headers, ...etagOf(found) }) as never;
}
