/** JSON Web Signatures of ACME requests (RFC 7515, RFC 8555 section 6.2): made here, never read. */

import { createHmac, sign } from "node:crypto";
import { accountJwk } from "../../core/management/acme-ca.ts";

/** Flattened JSON serialisation. */
export interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

const base64url = (text: string): string => Buffer.from(text).toString("base64url");

export interface SignedRequest {
  readonly url: string;
  readonly nonce: string;
  /** URL of the account; null = the key itself is sent, for a new account. */
  readonly accountUrl: string | null;
  /** null = an empty payload: POST-as-GET (RFC 8555 section 6.3). */
  readonly payload: unknown;
}

/** A request signed by an account's key with ES256. */
export function signRequest({ url, nonce, accountUrl, payload }: SignedRequest, privateKeyPem: string): Jws {
  const signer = accountUrl === null ? { jwk: accountJwk(privateKeyPem) } : { kid: accountUrl };
  const header = base64url(JSON.stringify({ alg: "ES256", ...signer, nonce, url }));
  const body = payload === null ? "" : base64url(JSON.stringify(payload));
  // JWS has the two integers side by side (RFC 7518 section 3.4), not OpenSSL's DER.
  const key = { key: privateKeyPem, dsaEncoding: "ieee-p1363" } as const;
  const signature = sign("sha256", Buffer.from(`${header}.${body}`), key).toString("base64url");
  return { protected: header, payload: body, signature };
}

export interface ExternalAccount {
  readonly keyId: string;
  /** Secret. */
  readonly hmacKey: Uint8Array;
}

/** External account binding (RFC 8555 section 7.3.4): the account's public key, under the CA's MAC key. */
export function bindExternalAccount(
  { keyId, hmacKey }: ExternalAccount,
  { url, privateKeyPem }: { readonly url: string; readonly privateKeyPem: string },
): Jws {
  const header = base64url(JSON.stringify({ alg: "HS256", kid: keyId, url }));
  const body = base64url(JSON.stringify(accountJwk(privateKeyPem)));
  const signature = createHmac("sha256", hmacKey).update(`${header}.${body}`).digest("base64url");
  return { protected: header, payload: body, signature };
}
