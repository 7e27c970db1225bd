/** Accounts at ACME CAs: one for each directory of the deployment, its key in the vault. */

import { z } from "zod";
import { NotFound, Unavailable, Unreadable } from "../errors.ts";
import type { IssuanceState } from "../store/issuance-state.ts";
import { accountKeyName, type KeyVault } from "../store/key-vault.ts";
import { createPrivateKeyOf } from "../x509/new-key.ts";
import { decodePrivateKey, encodePrivateKey } from "../x509/serving-material.ts";
import { type AcmeAccount, type AcmeCa, AcmeProblem } from "./acme-ca.ts";

export interface AcmeAccountDependencies {
  readonly vault: Pick<KeyVault, "get" | "put">;
  readonly state: IssuanceState;
}

/**
 * `url` null = the key is for an account that the CA may have made, without an answer that arrived;
 * `directoryUrl` absent = noted by a release before 0.2.
 */
const STORED = z.object({
  url: z.string().min(1).nullable(),
  spkiPin: z.string(),
  sha256: z.string(),
  directoryUrl: z.string().optional(),
});
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
 * The account of a directory: the stored one, or a new one where there is none, its key is lost, or the
 * directory has another URL by now: a key is for one CA alone.
 *
 * A key is noted before the CA receives it and is used again until the account's URL is noted, so that a CA
 * finds the account by it: a binding to an outside account may serve only once.
 * @throws Unavailable; AcmeProblem when the CA refuses an account
 */
export async function accountAt(
  deps: AcmeAccountDependencies,
  directory: string,
  ca: Pick<AcmeCa, "account" | "directoryUrl">,
): Promise<AcmeAccount> {
  const { value, privateKeyPem, version } = await notedAccount(deps, directory, ca);
  if (value.url !== null) return { url: value.url, privateKeyPem };
  const url = await ca.account(privateKeyPem);
  // Another process that noted it first asked the CA with the same key, and received the same URL.
  await deps.state.put(`account/${directory}`, { ...value, url }, { expected: version, expiresAtMs: null });
  return { url, privateKeyPem };
}

async function notedAccount(
  deps: AcmeAccountDependencies,
  directory: string,
  { directoryUrl }: Pick<AcmeCa, "directoryUrl">,
): Promise<NotedAccount> {
  const name = `account/${directory}` as const;
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const item = await deps.state.get(name);
    const stored = STORED.safeParse(item?.value);
    const isHere = stored.success && isAt(stored.data, directoryUrl);
    const found = isHere ? await keyOf(deps.vault, stored.data) : null;
    if (item !== null && stored.success && found !== null)
      return { value: stored.data, privateKeyPem: found, version: item.version };
    const made = await newKey(deps.vault, directoryUrl);
    const options = { expected: item?.version ?? null, expiresAtMs: null };
    const version = await deps.state.put(name, made.value, options);
    if (version !== null) return { ...made, version };
  }
  throw new Unavailable(`the account at ${directory} keeps changing`);
}

/** Where the URL of the directory was not noted, its origin is that of the account's. */
function isAt({ url, directoryUrl }: StoredAccount, wanted: string): boolean {
  if (directoryUrl !== undefined) return directoryUrl === wanted;
  return url === null || new URL(url).origin === new URL(wanted).origin;
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
async function newKey(
  vault: Pick<KeyVault, "put">,
  directoryUrl: string,
): Promise<Omit<NotedAccount, "version">> {
  const { keyType, privateKeyPem, spkiPin } = await createPrivateKeyOf("ecdsa-p256");
  const sha256 = await vault.put(accountKeyName(spkiPin), encodePrivateKey({ keyType, privateKeyPem }));
  return { value: { url: null, spkiPin, sha256, directoryUrl }, privateKeyPem };
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

/**
 * After `unauthorized`: whether the CA has deactivated the account, which is for good (RFC 8555 section
 * 7.3.6). The next order makes another then, with a new key, which is noted here. @returns its URL; null = it
 * is not deactivated, or there is none
 * @throws Unavailable
 */
export async function replaceDeactivated(
  deps: AcmeAccountDependencies,
  directory: string,
  ca: Pick<AcmeCa, "account" | "directoryUrl">,
): Promise<string | null> {
  const name = `account/${directory}` as const;
  const { value, privateKeyPem, version } = await notedAccount(deps, directory, ca);
  if (value.url === null || !(await isDeactivated(ca, privateKeyPem))) return null;
  const made = await newKey(deps.vault, ca.directoryUrl);
  await deps.state.put(name, made.value, { expected: version, expiresAtMs: null });
  return value.url;
}

async function isDeactivated(ca: Pick<AcmeCa, "account">, privateKeyPem: string): Promise<boolean> {
  try {
    await ca.account(privateKeyPem);
    return false;
  } catch (error) {
    if (error instanceof AcmeProblem) return error.type === "unauthorized";
    throw error;
  }
}
