/** Records as they are stored, for the repair of one that cannot be read. */

import { type Caller, requireScope } from "../access/scope.ts";
import { NotFound } from "../errors.ts";
import type { RawRecord, RecordKind, Store } from "../store/store.ts";

/**
 * A record of the caller's account, whether it can be read or not.
 *
 * @throws MissingScope of any caller but an operator; NotFound
 */
export async function rawRecord(
  store: Pick<Store, "getRaw">,
  caller: Caller,
  { kind, id }: { readonly kind: RecordKind; readonly id: string },
): Promise<RawRecord> {
  requireScope(caller, "operator");
  const found = await store.getRaw(kind, id, caller.account);
  if (found === null) throw new NotFound(`${NAMES[kind]} not found`);
  return { ...found, text: withoutSecrets(found.text) };
}

const NAMES: Readonly<Record<RecordKind, string>> = {
  domain: "domain",
  certificate: "certificate",
  "trust-store": "trust store",
};

const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;
/** User and password of a URL. */
const USERINFO = /(?<=:\/\/)[^/\s"@]+(?=@)/g;
const REMOVED = "(removed)";

/** No release stores a secret in a record; what is damaged may hold anything. */
const withoutSecrets = (text: string): string =>
  text.replaceAll(PRIVATE_KEY, REMOVED).replaceAll(USERINFO, REMOVED);
