/** Port to a certificate authority that speaks ACME (RFC 8555), and what is computed without it. */

import { createHash, createPublicKey } from "node:crypto";
import type { Timestamp } from "../clock.ts";
import { Unavailable } from "../errors.ts";
import { contextTag, elementsOf, expectTag, MalformedDer, readDer, readOid, TAG } from "../x509/der.ts";
import { readPem } from "../x509/pem.ts";

/** An account at a CA. Its key is an ECDSA P-256 key. */
export interface AcmeAccount {
  readonly url: string;
  /** PKCS #8; secret. */
  readonly privateKeyPem: string;
}

/**
 * Pattern of a challenge's token (RFC 8555 section 8.3): base64url, of bounded length because it becomes part
 * of a path and of a stored name.
 */
export const CHALLENGE_TOKEN = /^[A-Za-z0-9_-]{1,256}$/;

/** What a CA says of itself (RFC 8555 section 7.1.1). */
export interface AcmeDirectory {
  /** Values for CAA records that permit this CA. */
  readonly caaIdentities: readonly string[];
  /** Whether it suggests times of renewal (RFC 9773). */
  readonly hasRenewalInfo: boolean;
}

export type AcmeOrderStatus = "pending" | "ready" | "processing" | "valid" | "invalid";

/** An order as the CA reports it (RFC 8555 section 7.1.3). */
export interface AcmeOrderState {
  readonly url: string;
  readonly status: AcmeOrderStatus;
  /** URLs, one for each name. */
  readonly authorizations: readonly string[];
  readonly finalize: string;
  /** URL; null until the status is `valid`. */
  readonly certificate: string | null;
  /** For people; null = none. */
  readonly problem: string | null;
  /** Retry-After; null = not said. */
  readonly retryAfterMs: number | null;
}

export interface AcmeChallenge {
  /** `dns-01`, `http-01`, or a type that Postern does not answer. */
  readonly type: string;
  readonly url: string;
  readonly status: "pending" | "processing" | "valid" | "invalid";
  readonly token: string | null;
  /** For people; null = none. */
  readonly problem: string | null;
}

/** Proof of control over one name (RFC 8555 section 7.1.4). */
export interface AcmeAuthorization {
  readonly url: string;
  /** Canonical (lower case, A-labels), without `*.`. Any name: it is not compared with the order's. */
  readonly name: string;
  readonly isWildcard: boolean;
  readonly status: "pending" | "valid" | "invalid" | "deactivated" | "expired" | "revoked";
  readonly challenges: readonly AcmeChallenge[];
}

export interface AcmeOrderRequest {
  /** Canonical host names or wildcards, at least one. */
  readonly names: readonly string[];
  /** One of the directory's; null = the CA's default. */
  readonly profile: string | null;
  /** `renewalId` of the certificate that this order renews (RFC 9773 section 5); null = none. */
  readonly replaces: string | null;
}

/** A suggested window of renewal (RFC 9773 section 4.2). */
export interface AcmeRenewalInfo {
  readonly start: Timestamp;
  /** After `start`. */
  readonly end: Timestamp;
  /** When to ask again. */
  readonly retryAfterMs: number;
}

/**
 * One CA: an entry of the deployment's ACME_DIRECTORIES. Nothing is kept between calls but the directory and
 * nonces, so any process may take the next step of an order.
 *
 * Every implementation passes test/contract/acme-ca.contract.ts. Every method throws Unavailable when the CA
 * does not answer in time, or answers with something that is not ACME; and AcmeProblem
 * when it refuses, also with `serverInternal`. Texts of the CA are cut and hold no control characters.
 */
export interface AcmeCa {
  /** URL of its directory: accounts belong to it. */
  readonly directoryUrl: string;
  directory(): Promise<AcmeDirectory>;
  /**
   * The account of this key (RFC 8555 section 7.3): made, or found; with external account binding where the
   * deployment configures it. The CA's terms of service are agreed to.
   *
   * @returns its URL. @throws AcmeProblem (`unauthorized`) when it was deactivated, for good (section 7.3.6)
   */
  account(privateKeyPem: string): Promise<string>;
  /** @throws AcmeProblem (`accountDoesNotExist`) when the CA does not know the account, as all below. */
  newOrder(account: AcmeAccount, order: AcmeOrderRequest): Promise<AcmeOrderState>;
  /**
   * @throws NotFound when the CA does not know the order. @throws AcmeProblem (`unauthorized`) when it is
   *   another account's; some CAs answer NotFound to that too.
   */
  order(account: AcmeAccount, url: string): Promise<AcmeOrderState>;
  /** @throws NotFound when the CA does not know the authorization. */
  authorization(account: AcmeAccount, url: string): Promise<AcmeAuthorization>;
  /**
   * Asks the CA to validate a challenge. Again while it is being validated is not an error; once its
   * authorization is valid or invalid, CAs refuse (AcmeProblem, most with `malformed`). @throws NotFound
   */
  accept(account: AcmeAccount, challengeUrl: string): Promise<void>;
  /**
   * Asks for the certificate of an order that is `ready`.
   *
   * @throws NotFound when the CA does not know the order.
   * @throws AcmeProblem (`orderNotReady`) when it is not ready, or was finalized before; (`badCSR`, or
   *   another type at some CAs) when the CSR does not fit.
   */
  finalize(account: AcmeAccount, order: AcmeOrderState, csrDer: Uint8Array): Promise<AcmeOrderState>;
  /**
   * Leaf and chain as the CA sends them: PEM blocks `CERTIFICATE` alone, one or more.
   *
   * @throws NotFound when the CA does not know the certificate.
   * @throws Unavailable also when the answer is cut off or no PEM: the next attempt may get it whole.
   */
  certificate(account: AcmeAccount, url: string): Promise<string>;
  /**
   * When the CA suggests to renew. @param leafPem names the certificate.
   *
   * @returns null when this CA offers no renewal information, does not know the certificate, or the
   *   certificate has no identifier.
   */
  renewalInfo(leafPem: string): Promise<AcmeRenewalInfo | null>;
}

/** The deployment's ACME_DIRECTORIES. */
export interface AcmeCas {
  /** In order of the setting. */
  readonly names: readonly string[];
  /** null = not configured. */
  ca(name: string): AcmeCa | null;
}

/** What a CA refuses of one name of an order (RFC 8555 section 6.7.1). */
export interface AcmeSubproblem {
  /** null = of no name in particular. */
  readonly name: string | null;
  readonly type: string;
  readonly detail: string;
}

interface AcmeProblemFields {
  readonly type: string;
  readonly detail: string;
  readonly status: number;
  readonly retryAfterMs: number | null;
  readonly subproblems: readonly AcmeSubproblem[];
}

/**
 * A CA refused a request (RFC 8555 section 6.7). The message may be shown: it holds type, detail and names.
 */
export class AcmeProblem extends Error {
  override readonly name = "AcmeProblem";
  /** Without `urn:ietf:params:acme:error:`; another URN or URL as it is; `about:blank` where absent. */
  readonly type: string;
  readonly detail: string;
  /** Of HTTP. */
  readonly status: number;
  /** Retry-After; null = not said. */
  readonly retryAfterMs: number | null;
  readonly subproblems: readonly AcmeSubproblem[];
  constructor(
    { type, detail, status, retryAfterMs, subproblems }: AcmeProblemFields,
    options?: ErrorOptions,
  ) {
    super(problemText({ type, detail, subproblems }), options);
    this.type = type;
    this.detail = detail;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.subproblems = subproblems;
  }
}

/** An answer that is not ACME, but says how long to wait: of a load balancer before an overloaded CA, say. */
export class AcmeUnavailable extends Unavailable {
  /** Retry-After; null = not said. */
  readonly retryAfterMs: number | null;
  constructor(message: string, retryAfterMs: number | null) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Milliseconds that a CA asked to wait when it failed or refused; null = not said. */
export const retryAfterOf = (error: unknown): number | null =>
  error instanceof AcmeProblem || error instanceof AcmeUnavailable ? error.retryAfterMs : null;

/** A refusal in one line for people: `rateLimited: too many … (mx.example.com: caa: …)`. */
export function problemText(problem: Pick<AcmeProblemFields, "type" | "detail" | "subproblems">): string {
  const said = ({ type, detail }: { readonly type: string; readonly detail: string }): string =>
    detail === "" ? type : `${type}: ${detail}`;
  const parts = problem.subproblems.map((each) =>
    each.name === null ? said(each) : `${each.name}: ${said(each)}`,
  );
  return parts.length === 0 ? said(problem) : `${said(problem)} (${parts.join("; ")})`;
}

/**
 * Public part of an account's key as a JSON Web Key, its members in the order of RFC 7638 section 3.2.
 * @throws TypeError when it is not an ECDSA P-256 key.
 */
export function accountJwk(privateKeyPem: string): Readonly<Record<"crv" | "kty" | "x" | "y", string>> {
  const { kty, crv, x, y } = createPublicKey(privateKeyPem).export({ format: "jwk" });
  if (kty !== "EC" || crv !== "P-256" || x === undefined || y === undefined)
    throw new TypeError("an ACME account's key must be an ECDSA P-256 key");
  return { crv, kty, x, y };
}

const sha256Base64url = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** Key authorization of a challenge (RFC 8555 section 8.1): the content that http-01 serves. */
export const keyAuthorization = (token: string, privateKeyPem: string): string =>
  `${token}.${sha256Base64url(JSON.stringify(accountJwk(privateKeyPem)))}`;

/** Value of the TXT record of a dns-01 challenge (RFC 8555 section 8.4). */
export const dnsChallengeValue = (authorization: string): string => sha256Base64url(authorization);

const AUTHORITY_KEY_IDENTIFIER = "2.5.29.35";
/** `keyIdentifier [0] IMPLICIT OCTET STRING` of AuthorityKeyIdentifier. */
const KEY_IDENTIFIER_TAG = 0x80;

/**
 * Identifier of a certificate in renewal information (RFC 9773 section 4.1): its authority key identifier and
 * its serial number. @param leafPem one certificate, or a chain that begins with it.
 *
 * @returns null when it has no key identifier of its authority, or is no certificate.
 */
export function renewalId(leafPem: string): string | null {
  const [leaf] = readPem(leafPem, "").blocks;
  if (leaf?.label !== "CERTIFICATE" || leaf.der === null) return null;
  try {
    const [toBeSigned] = elementsOf(readDer(leaf.der, TAG.sequence).content);
    const fields = [...elementsOf(expectTag(toBeSigned, TAG.sequence).content)];
    const serial = expectTag(
      fields.find(({ tag }) => tag === TAG.integer),
      TAG.integer,
    ).content;
    const extensions = fields.find(({ tag }) => tag === contextTag(3));
    const authority = extensions === undefined ? null : authorityKeyIdentifier(extensions.content);
    return authority === null ? null : `${base64url(authority)}.${base64url(serial)}`;
  } catch (error) {
    if (error instanceof MalformedDer) return null;
    throw error;
  }
}

function authorityKeyIdentifier(extensions: Uint8Array): Uint8Array | null {
  for (const extension of elementsOf(readDer(extensions, TAG.sequence).content)) {
    const [id, ...rest] = elementsOf(expectTag(extension, TAG.sequence).content);
    if (readOid(id) !== AUTHORITY_KEY_IDENTIFIER) continue;
    const value = readDer(expectTag(rest.at(-1), TAG.octetString).content, TAG.sequence);
    const identifier = [...elementsOf(value.content)].find(({ tag }) => tag === KEY_IDENTIFIER_TAG);
    return identifier?.content ?? null;
  }
  return null;
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
