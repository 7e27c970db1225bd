/** Ids of certificates, trust stores, tokens and edges. */

export type CertificateId = string & { readonly __brand: "CertificateId" };
export type TrustStoreId = string & { readonly __brand: "TrustStoreId" };
export type TokenId = string & { readonly __brand: "TokenId" };
export type EdgeId = string & { readonly __brand: "EdgeId" };

/** Crockford base32 without I, L, O and U, as ULIDs use it. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Prefixes of stored ids; an id is the prefix, `_`, and a ULID (48 bits of time, 80 random bits). */
const PREFIX = { certificate: "cert", trustStore: "trust", edge: "edge", token: "tok" } as const;

const isId = (prefix: string, text: string): boolean =>
  new RegExp(`^${prefix}_[0-9A-HJKMNP-TV-Z]{26}$`).test(text);
export const isCertificateId = (text: string): text is CertificateId => isId(PREFIX.certificate, text);
export const isTrustStoreId = (text: string): text is TrustStoreId => isId(PREFIX.trustStore, text);
export const isTokenId = (text: string): text is TokenId => isId(PREFIX.token, text);
export const isEdgeId = (text: string): text is EdgeId => isId(PREFIX.edge, text);

export interface IdSource {
  certificate(): CertificateId;
  trustStore(): TrustStoreId;
  edge(): EdgeId;
  token(): TokenId;
  /** Value of a TXT record that shows whose a name is; its 128 bits cannot be guessed. */
  proof(): string;
}

/** Ids that sort by creation time. `randomBytes(n)` must come from a cryptographic source. */
export function createIdSource(now: () => number, randomBytes: (count: number) => Uint8Array): IdSource {
  const make = (prefix: string): string => `${prefix}_${base32(BigInt(now()), 10)}${random(randomBytes(10))}`;
  return {
    certificate: () => make(PREFIX.certificate) as CertificateId,
    trustStore: () => make(PREFIX.trustStore) as TrustStoreId,
    edge: () => make(PREFIX.edge) as EdgeId,
    token: () => make(PREFIX.token) as TokenId,
    proof: () => `postern=${Buffer.from(randomBytes(16)).toString("base64url")}`,
  };
}

const random = (bytes: Uint8Array): string => base32(BigInt(`0x${Buffer.from(bytes).toString("hex")}`), 16);

function base32(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest >>= 5n) text = ALPHABET.charAt(Number(rest & 31n)) + text;
  return text;
}
