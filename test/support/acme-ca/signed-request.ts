import {
  createHash,
  createHmac,
  createPublicKey,
  type KeyObject,
  timingSafeEqual,
  verify,
} from "node:crypto";
import { Refusal } from "./refusal.ts";

/** A request body of ACME as its signature covers it. */
export interface SignedBody {
  readonly header: {
    readonly alg: string;
    readonly nonce: string;
    readonly url: string;
    readonly kid: string | null;
    readonly jwk: Readonly<Record<string, string>> | null;
  };
  /** null = POST-as-GET. */
  readonly payload: unknown;
  /** @throws Refusal */
  verify(key: KeyObject): void;
}

const BASE64URL = /^[\w-]*$/;
const malformed = (detail: string): Refusal => new Refusal("malformed", detail);

function member(of: Readonly<Record<string, unknown>>, name: string): string {
  const value = of[name];
  if (typeof value !== "string" || !BASE64URL.test(value))
    throw malformed(`JWS member ${name} is not base64url`);
  return value;
}

function parsed(json: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(json);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed("not an object");
  return value as Record<string, unknown>;
}

const decoded = (text: string): string => Buffer.from(text, "base64url").toString("utf8");

/** Reads the flattened JSON serialisation of RFC 8555 section 6.2, and nothing else. @throws Refusal */
export function readSignedBody(body: string): SignedBody {
  const jws = parsed(body);
  if (Object.keys(jws).toSorted().join() !== "payload,protected,signature")
    throw malformed("a JWS of ACME has protected, payload and signature alone");
  const [head, payload] = [member(jws, "protected"), member(jws, "payload")];
  const signature = Buffer.from(member(jws, "signature"), "base64url");
  const { alg, nonce, url, kid = null, jwk = null, ...rest } = parsed(decoded(head));
  if (Object.keys(rest).length > 0) throw malformed(`unknown header fields ${Object.keys(rest).join()}`);
  if (alg !== "ES256") throw new Refusal("badSignatureAlgorithm", "ES256 alone is taken here");
  if (typeof nonce !== "string" || typeof url !== "string") throw malformed("no nonce, or no url");
  if ((kid === null) === (jwk === null)) throw malformed("one of jwk and kid must be there");
  if (kid !== null && typeof kid !== "string") throw malformed("kid is no text");
  return {
    header: { alg, nonce, url, kid, jwk: jwk === null ? null : checkedJwk(jwk) },
    payload: payload === "" ? null : JSON.parse(decoded(payload)),
    verify(key) {
      const signed = Buffer.from(`${head}.${payload}`);
      if (signature.length !== 64 || !verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature))
        throw malformed("the signature does not verify");
    },
  };
}

function checkedJwk(jwk: unknown): Readonly<Record<string, string>> {
  const { kty, crv, x, y, ...rest } = parsed(JSON.stringify(jwk));
  // "d" would be the private key.
  if (kty !== "EC" || crv !== "P-256" || Object.keys(rest).length > 0) throw malformed("no P-256 public key");
  return { crv, kty, x: String(x), y: String(y) };
}

export const keyOf = (jwk: Readonly<Record<string, string>>): KeyObject =>
  createPublicKey({ key: { ...jwk }, format: "jwk" });

/** RFC 7638. */
export const thumbprintOf = ({ crv, kty, x, y }: Readonly<Record<string, string>>): string =>
  createHash("sha256").update(`{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`).digest("base64url");

/** Checks an external account binding (RFC 8555 section 7.3.4). @throws Refusal */
export function checkBinding(
  binding: unknown,
  expected: {
    readonly keyId: string;
    readonly hmacKey: Uint8Array;
    readonly url: string;
    readonly thumbprint: string;
  },
): void {
  const jws = parsed(JSON.stringify(binding));
  const [head, payload] = [member(jws, "protected"), member(jws, "payload")];
  const { alg, kid, url, ...rest } = parsed(decoded(head));
  const mac = createHmac("sha256", expected.hmacKey).update(`${head}.${payload}`).digest();
  const given = Buffer.from(member(jws, "signature"), "base64url");
  const isSigned = given.length === mac.length && timingSafeEqual(given, mac);
  if (kid !== expected.keyId) throw new Refusal("unauthorized", "no such external account", 403);
  if (alg !== "HS256" || url !== expected.url || Object.keys(rest).length > 0 || !isSigned)
    throw new Refusal("unauthorized", "the external account binding does not verify", 403);
  const bound = parsed(decoded(payload)) as Readonly<Record<string, string>>;
  if (thumbprintOf(bound) !== expected.thumbprint) throw malformed("the binding is of another key");
}
