/** Accounts at ACME CAs: one for each directory of the deployment, its key in the vault. */

import { z } from "zod";
import { NotFound, Unavailable, Unreadable } from "../errors.ts";
import type { IssuanceState } from "../store/issuance-state.ts";
import { accountKeyName, type KeyVault } from "../store/key-vault.ts";
import { createPrivateKeyOf } from "../x509/new-key.ts";
import { decodePrivateKey, encodePrivateKey } from "../x509/serving-material.ts";
import type { AcmeAccount, AcmeCa } from "./acme-ca.ts";

export interface AcmeAccountDependencies {
  readonly vault: Pick<KeyVault, "get" | "put">;
  readonly state: IssuanceState;
}

/** `url` null = the key is for an account that the CA may have made, without an answer that arrived. */
const STORED = z.object({ url: z.string().min(1).nullable(), spkiPin: z.string(), sha256: z.string() });
type StoredAccount = z.output<typeof STORED>;

/** A stored account, or one about to be made, with its key. */
interface NotedAccount {
  readonly value: StoredAccount;
  /** Secret. */
  readonly privateKeyPem: string;
  /** Of the item in the state. */
  readonly version: number;
}

/** Another process may store its key first, and then that one is taken. */
const TRIES = 3;

/**
 * The account of a directory: the stored one, or a new one where there is none or its key is lost.
 *
 * A key is noted before the CA receives it and is used again until the account's URL is noted, so that a CA
 * finds the account by it: a binding to an outside account may serve only once.
 * @throws Unavailable; AcmeProblem when the CA refuses an account
 */
export async function accountAt(
  deps: AcmeAccountDependencies,
  directory: string,
  ca: Pick<AcmeCa, "account">,
): Promise<AcmeAccount> {
  const { value, privateKeyPem, version } = await notedAccount(deps, directory);
  if (value.url !== null) return { url: value.url, privateKeyPem };
  const url = await ca.account(privateKeyPem);
  // Another process that noted it first asked the CA with the same key, and received the same URL.
  await deps.state.put(`account/${directory}`, { ...value, url }, { expected: version, expiresAtMs: null });
  return { url, privateKeyPem };
}

async function notedAccount(deps: AcmeAccountDependencies, directory: string): Promise<NotedAccount> {
  const name = `account/${directory}` as const;
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const item = await deps.state.get(name);
    const stored = STORED.safeParse(item?.value);
    const found = stored.success ? await keyOf(deps.vault, stored.data) : null;
    if (item !== null && stored.success && found !== null)
      return { value: stored.data, privateKeyPem: found, version: item.version };
    const made = await newKey(deps.vault);
    const options = { expected: item?.version ?? null, expiresAtMs: null };
    const version = await deps.state.put(name, made.value, options);
    if (version !== null) return { ...made, version };
  }
  throw new Unavailable(`the account at ${directory} keeps changing`);
}

/** null = it is not in the vault as it was stored. */
async function keyOf(
  vault: Pick<KeyVault, "get">,
  { spkiPin, sha256 }: StoredAccount,
): Promise<string | null> {
  try {
    return decodePrivateKey(await vault.get(accountKeyName(spkiPin), sha256)).privateKeyPem;
  } catch (error) {
    if (error instanceof NotFound || error instanceof Unreadable) return null;
    throw error;
  }
}

/** Stored before it is noted: a noted key that is absent counts as lost. */
async function newKey(vault: Pick<KeyVault, "put">): Promise<Omit<NotedAccount, "version">> {
  const { keyType, privateKeyPem, spkiPin } = await createPrivateKeyOf("ecdsa-p256");
  const sha256 = await vault.put(accountKeyName(spkiPin), encodePrivateKey({ keyType, privateKeyPem }));
  return { value: { url: null, spkiPin, sha256 }, privateKeyPem };
}

/**
 * Forgets an account that its CA does not know; the next order makes another with its key.
 * @throws Unavailable
 */
export async function forgetAccount(state: IssuanceState, directory: string): Promise<void> {
  const name = `account/${directory}` as const;
  const item = await state.get(name);
  const stored = STORED.safeParse(item?.value);
  if (item === null || !stored.success) return;
  // Another process that changed it meanwhile forgot it, or has made the next one.
  await state.put(name, { ...stored.data, url: null }, { expected: item.version, expiresAtMs: null });
}
