/** Accounts at ACME CAs: one for each directory of the deployment, its key in the vault. */

import { z } from "zod";
import { NotFound, Unreadable } from "../errors.ts";
import type { IssuanceState } from "../store/issuance-state.ts";
import { accountKeyName, type KeyVault } from "../store/key-vault.ts";
import { createPrivateKeyOf } from "../x509/new-key.ts";
import { decodePrivateKey, encodePrivateKey } from "../x509/serving-material.ts";
import type { AcmeAccount, AcmeCa } from "./acme-ca.ts";

export interface AcmeAccountDependencies {
  readonly vault: Pick<KeyVault, "get" | "put">;
  readonly state: IssuanceState;
}

const STORED = z.object({ url: z.string().min(1), spkiPin: z.string(), sha256: z.string() });
type StoredAccount = z.output<typeof STORED>;

/** Another process may store its account first, and then that one is taken. */
const TRIES = 3;

/**
 * The account of a directory: the stored one, or a new one where there is none or its key is lost.
 * @throws Unavailable; AcmeProblem when the CA refuses an account
 */
export async function accountAt(
  deps: AcmeAccountDependencies,
  directory: string,
  ca: Pick<AcmeCa, "account">,
): Promise<AcmeAccount> {
  for (let tries = 1; ; tries += 1) {
    const item = await deps.state.get(`account/${directory}`);
    const stored = STORED.safeParse(item?.value);
    const found = stored.success ? await withKey(deps.vault, stored.data) : null;
    if (found !== null) return found;
    const { account, value } = await newAccount(deps.vault, ca);
    const expected = item?.version ?? null;
    const version = await deps.state.put(`account/${directory}`, value, { expected, expiresAtMs: null });
    if (version !== null || tries === TRIES) return account;
  }
}

/** null = its key is not in the vault as it was stored. */
async function withKey(
  vault: Pick<KeyVault, "get">,
  { url, spkiPin, sha256 }: StoredAccount,
): Promise<AcmeAccount | null> {
  try {
    const { privateKeyPem } = decodePrivateKey(await vault.get(accountKeyName(spkiPin), sha256));
    return { url, privateKeyPem };
  } catch (error) {
    if (error instanceof NotFound || error instanceof Unreadable) return null;
    throw error;
  }
}

/** The key is stored before the CA knows it: an account without its key could not be used. */
async function newAccount(
  vault: Pick<KeyVault, "put">,
  ca: Pick<AcmeCa, "account">,
): Promise<{ account: AcmeAccount; value: StoredAccount }> {
  const { keyType, privateKeyPem, spkiPin } = await createPrivateKeyOf("ecdsa-p256");
  const sha256 = await vault.put(accountKeyName(spkiPin), encodePrivateKey({ keyType, privateKeyPem }));
  const url = await ca.account(privateKeyPem);
  return { account: { url, privateKeyPem }, value: { url, spkiPin, sha256 } };
}

/** Forgets an account that its CA does not know; the next order makes another. @throws Unavailable */
export async function forgetAccount(state: IssuanceState, directory: string): Promise<void> {
  await state.delete(`account/${directory}`);
}
