import type { z } from "zod";
import { NotFound, Unavailable } from "../../core/errors.ts";
import { CAPS } from "../../core/limits.ts";
import {
  type AcmeAccount,
  type AcmeAuthorization,
  type AcmeCa,
  type AcmeDirectory,
  type AcmeOrderRequest,
  type AcmeOrderState,
  AcmeProblem,
  type AcmeRenewalInfo,
  renewalId,
} from "../../core/management/acme-ca.ts";
import { toPlainText } from "../../core/plain-text.ts";
import type { Clock } from "../../core/clock.ts";
import type { AcmeConnection, AcmePost } from "./acme-connection.ts";
import { accountSchema, authorizationSchema, orderSchema, readAnswer, renewalInfoSchema } from "./answers.ts";
import { certificatesOf } from "./certificate-pem.ts";
import type { HttpsAnswer } from "./https-exchange.ts";
import { bindExternalAccount } from "./jws.ts";
import { retryAfterMs } from "./retry-after.ts";

const HOUR_MS = 3600 * 1000;
/** RFC 9773 section 4.3: every six hours where the CA says nothing, and never out of proportion. */
const RENEWAL_INFO = { defaultMs: 6 * HOUR_MS, minMs: 60_000, maxMs: 24 * HOUR_MS } as const;

export interface AcmeClientOptions {
  readonly who: string;
  readonly connection: AcmeConnection;
  readonly clock: Clock;
  readonly contact: readonly string[];
  /** null = accounts are not bound to one outside. */
  readonly externalAccount: ExternalAccountSource | null;
}

export interface ExternalAccountSource {
  readonly keyId: string;
  /** null = it is not stored. @throws Unavailable */
  readonly readHmacKey: () => Promise<Uint8Array | null>;
}

/** One CA of ACME_DIRECTORIES, over HTTPS. */
export class AcmeClient implements AcmeCa {
  readonly #options: AcmeClientOptions;
  readonly #connection: AcmeConnection;

  constructor(options: AcmeClientOptions) {
    this.#options = options;
    this.#connection = options.connection;
  }

  get directoryUrl(): string {
    return this.#connection.directoryUrl;
  }

  async directory(): Promise<AcmeDirectory> {
    const { meta, renewalInfo } = await this.#connection.directory();
    return { caaIdentities: meta.caaIdentities, hasRenewalInfo: renewalInfo !== undefined };
  }

  async account(privateKeyPem: string): Promise<string> {
    try {
      return await this.#newAccount(privateKeyPem, { onlyReturnExisting: true });
    } catch (error) {
      // Some CAs ask for the binding before they look the key up.
      const types = ["accountDoesNotExist", "externalAccountRequired"];
      if (!(error instanceof AcmeProblem) || !types.includes(error.type)) throw error;
    }
    // Only now: a MAC key of some CAs is good for one account.
    const externalAccountBinding = await this.#binding(privateKeyPem);
    const { contact } = this.#options;
    return this.#newAccount(privateKeyPem, {
      termsOfServiceAgreed: true,
      ...(contact.length === 0 ? {} : { contact }),
      ...(externalAccountBinding === null ? {} : { externalAccountBinding }),
    });
  }

  async newOrder(account: AcmeAccount, request: AcmeOrderRequest): Promise<AcmeOrderState> {
    const { newOrder: url, renewalInfo, meta } = await this.#connection.directory();
    const { names, profile, replaces } = request;
    if (profile !== null && !meta.profiles.includes(profile))
      throw this.#unknownProfile(profile, meta.profiles);
    const answer = await this.#post(account, url, {
      identifiers: names.map((value) => ({ type: "dns", value })),
      ...(profile === null ? {} : { profile }),
      // Unknown to a CA without renewal information.
      ...(replaces === null || renewalInfo === undefined ? {} : { replaces }),
    });
    return this.#orderOf(answer, this.#location(answer));
  }

  async order(account: AcmeAccount, url: string): Promise<AcmeOrderState> {
    return this.#orderOf(await this.#known(this.#post(account, url, null)), url);
  }

  async authorization(account: AcmeAccount, url: string): Promise<AcmeAuthorization> {
    const answer = await this.#known(this.#post(account, url, null));
    const { identifier, wildcard = false, status, challenges } = this.#read(authorizationSchema, answer);
    return {
      url,
      name: identifier.value,
      isWildcard: wildcard,
      status,
      challenges: challenges.map(({ error, ...challenge }) => ({ ...challenge, problem: error })),
    };
  }

  async accept(account: AcmeAccount, challengeUrl: string): Promise<void> {
    await this.#known(this.#post(account, challengeUrl, {}));
  }

  async finalize(account: AcmeAccount, order: AcmeOrderState, csrDer: Uint8Array): Promise<AcmeOrderState> {
    const csr = Buffer.from(csrDer).toString("base64url");
    return this.#orderOf(await this.#known(this.#post(account, order.finalize, { csr })), order.url);
  }

  async certificate(account: AcmeAccount, url: string): Promise<string> {
    const answer = await this.#known(
      this.#connection.post({
        ...asPost(account, url, null),
        accept: "application/pem-certificate-chain",
        maxBytes: CAPS.certificatePemBytes,
      }),
    );
    const certificates = certificatesOf(answer.body.toString("latin1"));
    if (certificates === null)
      throw new Unavailable(`${this.#options.who} sent a certificate that is damaged or incomplete`);
    return certificates;
  }

  async renewalInfo(leafPem: string): Promise<AcmeRenewalInfo | null> {
    const { renewalInfo } = await this.#connection.directory();
    const id = renewalId(leafPem);
    if (renewalInfo === undefined || id === null) return null;
    const answer = await this.#connection.get(`${renewalInfo.replace(/\/$/, "")}/${id}`).catch(noneIfUnknown);
    if (answer === null) return null;
    const { suggestedWindow } = this.#read(renewalInfoSchema, answer);
    const after = this.#retryAfter(answer) ?? RENEWAL_INFO.defaultMs;
    const bounded = Math.min(Math.max(after, RENEWAL_INFO.minMs), RENEWAL_INFO.maxMs);
    return { ...suggestedWindow, retryAfterMs: bounded };
  }

  async #newAccount(privateKeyPem: string, payload: object): Promise<string> {
    const { newAccount: url } = await this.#connection.directory();
    const answer = await this.#connection.post({ url, accountUrl: null, privateKeyPem, payload });
    const { status } = this.#read(accountSchema, answer);
    if (status !== "valid") throw refused("unauthorized", `the account is ${status}`, answer.status);
    return this.#location(answer);
  }

  async #binding(privateKeyPem: string): Promise<object | null> {
    const { externalAccount } = this.#options;
    if (externalAccount === null) return null;
    const { newAccount: url } = await this.#connection.directory();
    const hmacKey = await externalAccount.readHmacKey();
    if (hmacKey === null)
      throw refused("externalAccountRequired", "the HMAC key of the directory's eabKeyId is not stored");
    return bindExternalAccount({ keyId: externalAccount.keyId, hmacKey }, { url, privateKeyPem });
  }

  #unknownProfile(profile: string, offered: readonly string[]): AcmeProblem {
    const choice = offered.length === 0 ? "offers no profiles" : `offers the profiles ${offered.join(", ")}`;
    return refused("invalidProfile", `${this.#options.who} ${choice}, and not ${toPlainText(profile, 64)}`);
  }

  #post(account: AcmeAccount, url: string, payload: object | null): Promise<HttpsAnswer> {
    return this.#connection.post(asPost(account, url, payload));
  }

  /** Of a request for something that the CA may have forgotten. @throws NotFound */
  async #known(answer: Promise<HttpsAnswer>): Promise<HttpsAnswer> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof AcmeProblem) || ![404, 410].includes(error.status)) throw error;
      throw new NotFound(`${this.#options.who} does not know it (any more)`, { cause: error });
    }
  }

  #orderOf(answer: HttpsAnswer, url: string): AcmeOrderState {
    const { error, ...order } = this.#read(orderSchema, answer);
    return { ...order, url, problem: error, retryAfterMs: this.#retryAfter(answer) };
  }

  /** URL of what was made or found. */
  #location({ headers: { location = "" } }: HttpsAnswer): string {
    return this.#connection.ownUrl(location);
  }

  #retryAfter({ headers }: HttpsAnswer): number | null {
    return retryAfterMs(headers["retry-after"], this.#options.clock);
  }

  #read<Schema extends z.ZodType>(schema: Schema, answer: HttpsAnswer): z.output<Schema> {
    return readAnswer(schema, answer, this.#options.who);
  }
}

const asPost = (
  { url: accountUrl, privateKeyPem }: AcmeAccount,
  url: string,
  payload: object | null,
): AcmePost => ({
  url,
  accountUrl,
  privateKeyPem,
  payload,
});

/** CAs answer so to a certificate of another CA, or one that they have forgotten. */
function noneIfUnknown(error: unknown): null {
  const isUnknown = error instanceof AcmeProblem && (error.type === "malformed" || error.status === 404);
  if (!isUnknown) throw error;
  return null;
}

/** `status` 0 = nothing was sent. */
const refused = (type: string, detail: string, status = 0): AcmeProblem =>
  new AcmeProblem({ type, detail, status, retryAfterMs: null, subproblems: [] });
