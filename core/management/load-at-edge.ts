/** Trial load of new material in the context that the edges build. */

import type { KeyMaterial } from "../x509/serving-material.ts";
import { RuleViolation } from "../errors.ts";

/** Contents of one TLS context at an edge. Secret: `keys`. */
export interface EdgeContextContents {
  readonly keys: readonly KeyMaterial[];
  /** One certificate, or one CRL, for each element. */
  readonly anchorsPem: readonly string[];
  readonly crlsPem: readonly string[];
}

/**
 * Port: builds the TLS context that an edge would build of these contents (worker/tls/tls-parameters.ts), in
 * addition to the rules of this folder. Blocks for some milliseconds; opens nothing.
 *
 * @returns null when it loads; else OpenSSL's code of the reason, or an empty text where there is none. Never
 *   any of the contents.
 */
export type LoadAtEdge = (contents: EdgeContextContents) => string | null;

/** @throws RuleViolation (`does-not-load`) at the pointer, when no edge could load the contents. */
export function checkLoads(
  loadAtEdge: LoadAtEdge,
  pointer: string,
  contents: Partial<EdgeContextContents>,
): void {
  const code = loadAtEdge({ keys: [], anchorsPem: [], crlsPem: [], ...contents });
  if (code === null) return;
  const message = `no edge could load it: OpenSSL refuses it with the edges' settings${code === "" ? "" : ` (${code})`}`;
  throw new RuleViolation([{ pointer, code: "does-not-load", message }]);
}
