import { createHash, randomBytes } from "node:crypto";
import { newKey } from "../certificate-writer.ts";
import { type Csr, type Issued, Issuing, readCsr } from "./issuing.ts";
import { Refusal } from "./refusal.ts";
import { checkBinding, thumbprintOf } from "./signed-request.ts";

const DAY_MS = 24 * 3600 * 1000;

/** Behaviour of the test CA; a test may change it at any time. */
export interface AuthorityBehaviour {
  /** Milliseconds since the epoch: dates of orders and certificates. */
  now: () => number;
  /** Of certificates. */
  lifeMs: number;
  /** Added to the clock for dates of certificates: a CA, or this machine, whose clock is wrong. */
  skewMs: number;
  /** TXT values of a name such as `_acme-challenge.example.com`; throws = DNS does not answer. */
  lookUpTxt: (name: string) => readonly string[] | Promise<readonly string[]>;
  /** Body of `http://<name>/.well-known/acme-challenge/<token>`; null = 404; throws = no connection. */
  fetchHttp: (name: string, token: string) => string | null | Promise<string | null>;
  /** Account binding is required, and this is the one outside account: good for one account here. */
  externalAccount: { readonly keyId: string; readonly hmacKey: Uint8Array } | null;
  /** Name → description. */
  profiles: Readonly<Record<string, string>>;
  /** null = no renewal information. */
  renewalWindow: ((issued: Issued) => { readonly start: Date; readonly end: Date }) | null;
  /** Names are taken for proved: orders are ready at once. */
  isPreApproved: boolean;
  /** Looks at an order between its finalization and `valid`. */
  processingPolls: number;
  /** Looks at an authorization, or its order, between acceptance of a challenge and its verdict. */
  validationPolls: number;
  /** Retry-After of everything that is not at its end. */
  retryAfter: string | null;
  /** The certificate is for another key than the CSR's. */
  isKeyWrong: boolean;
  /** The name that an authorization shows: another than the one ordered, or another spelling. */
  shownName: (name: string, isWildcard: boolean) => { readonly name: string; readonly isWildcard: boolean };
}

interface Account {
  readonly url: string;
  readonly jwk: Readonly<Record<string, string>>;
  readonly contact: readonly string[];
}

interface Challenge {
  readonly type: "http-01" | "dns-01";
  readonly url: string;
  readonly token: string;
  status: "pending" | "processing" | "valid" | "invalid";
  verdict: Refusal | null;
}

interface Authorization {
  readonly url: string;
  readonly name: string;
  readonly isWildcard: boolean;
  readonly account: string;
  readonly challenges: readonly Challenge[];
  status: "pending" | "valid" | "invalid";
  polls: number;
}

interface Order {
  readonly url: string;
  readonly account: string;
  readonly names: readonly string[];
  readonly profile: string | null;
  readonly replaces: string | null;
  readonly expires: string;
  readonly authorizations: readonly Authorization[];
  status: "pending" | "ready" | "processing" | "valid" | "invalid";
  error: Refusal | null;
  issued: Issued | null;
  polls: number;
}

/** What an answer of the CA holds. */
export interface Answer {
  readonly status: number;
  readonly location?: string;
  readonly retryAfter?: string | null;
  readonly body: object | string;
}

type Payload = Readonly<Record<string, unknown>>;

function textOf(member: unknown): string | null {
  if (member === undefined || typeof member === "string") return member ?? null;
  throw new Refusal("malformed", "profile and replaces are texts");
}

function useBinding(binding: unknown, bound: Parameters<typeof checkBinding>[1], used: Set<string>): void {
  if (binding === undefined) throw new Refusal("externalAccountRequired", "no binding", 403);
  checkBinding(binding, bound);
  if (used.has(bound.keyId)) throw new Refusal("unauthorized", "the binding was used before", 403);
  used.add(bound.keyId);
}

const token = (): string => randomBytes(24).toString("base64url");

/** Accounts, orders and certificates of the test CA (RFC 8555 section 7). */
export class Authority {
  readonly behaviour: AuthorityBehaviour;
  readonly issuing = new Issuing();
  /** In order of their issue. */
  readonly issued: Issued[] = [];
  readonly #base: () => string;
  readonly #accounts = new Map<string, Account>();
  /** Key identifiers of bindings that were used. */
  readonly #bound = new Set<string>();
  readonly #orders = new Map<string, Order>();
  readonly #authorizations = new Map<string, Authorization>();
  #count = 0;

  constructor(behaviour: AuthorityBehaviour, base: () => string) {
    this.behaviour = behaviour;
    this.#base = base;
  }

  get accounts(): readonly Account[] {
    return [...this.#accounts.values()];
  }

  get orders(): readonly Readonly<Order>[] {
    return [...this.#orders.values()];
  }

  /** URLs of accounts that were deactivated (RFC 8555 section 7.3.6). */
  readonly deactivated = new Set<string>();

  forgetAccounts(): void {
    this.#accounts.clear();
  }

  forgetOrders(): void {
    this.#orders.clear();
    this.#authorizations.clear();
  }

  /** Makes every order that is not at its end invalid. */
  invalidateOrders(error: Refusal): void {
    for (const order of this.#orders.values()) {
      if (order.status === "valid") continue;
      order.status = "invalid";
      order.error = error;
    }
  }

  /** @throws Refusal (`accountDoesNotExist`) */
  accountAt(url: string): Account {
    const account = this.accounts.find((each) => each.url === url);
    if (account === undefined) throw new Refusal("accountDoesNotExist", "no such account");
    if (this.deactivated.has(url)) throw new Refusal("unauthorized", "account is not valid", 403);
    return account;
  }

  newAccount(jwk: Readonly<Record<string, string>>, payload: Payload): Answer {
    const thumbprint = thumbprintOf(jwk);
    const known = this.#accounts.get(thumbprint);
    if (known !== undefined && this.deactivated.has(known.url))
      throw new Refusal("unauthorized", "the account of this key is deactivated", 403);
    if (known !== undefined) return { status: 200, location: known.url, body: { status: "valid" } };
    if (payload["onlyReturnExisting"] === true) throw new Refusal("accountDoesNotExist", "no such account");
    if (payload["termsOfServiceAgreed"] !== true)
      throw new Refusal("userActionRequired", "the terms of service are not agreed to", 403);
    const { externalAccount } = this.behaviour;
    if (externalAccount !== null) {
      const bound = { ...externalAccount, url: `${this.#base()}/new-account`, thumbprint };
      useBinding(payload["externalAccountBinding"], bound, this.#bound);
    }
    const contact = (payload["contact"] ?? []) as readonly string[];
    const account = { url: this.#url("account"), jwk, contact };
    this.#accounts.set(thumbprint, account);
    return { status: 201, location: account.url, body: { status: "valid", contact } };
  }

  newOrder(account: Account, payload: Payload): Answer {
    const [profile, replaces] = [textOf(payload["profile"]), textOf(payload["replaces"])];
    const names = namesOf(payload["identifiers"]);
    if (profile !== null && !Object.hasOwn(this.behaviour.profiles, profile))
      throw new Refusal("invalidProfile", "no such profile");
    if (replaces !== null) checkReplaced(this, replaces);
    const order: Order = {
      url: this.#url("order"),
      account: account.url,
      names,
      profile,
      replaces,
      expires: new Date(this.behaviour.now() + 7 * DAY_MS).toISOString(),
      authorizations: names.map((name) =>
        newAuthorization(name, {
          account: account.url,
          isProved: this.behaviour.isPreApproved,
          url: (kind) => this.#url(kind),
        }),
      ),
      status: "pending",
      error: null,
      issued: null,
      polls: 0,
    };
    this.#orders.set(order.url, order);
    for (const each of order.authorizations) this.#authorizations.set(each.url, each);
    return { status: 201, location: order.url, ...shownOrder(order, this.behaviour.retryAfter) };
  }

  orderAt(account: Account, url: string): Answer {
    const order = this.#orders.get(url);
    if (order === undefined) throw new Refusal("malformed", "no such order", 404);
    if (order.account !== account.url) throw new Refusal("unauthorized", "another account's order", 403);
    order.authorizations.forEach(look);
    if (order.status === "processing" && --order.polls <= 0) order.status = "valid";
    return { status: 200, ...shownOrder(order, this.behaviour.retryAfter) };
  }

  authorizationAt(account: Account, url: string): Answer {
    const found = this.#authorizations.get(url);
    if (found === undefined) throw new Refusal("malformed", "no such authorization", 404);
    if (found.account !== account.url) throw new Refusal("unauthorized", "another account's", 403);
    look(found);
    const { name, isWildcard } = this.behaviour.shownName(found.name, found.isWildcard);
    const body = {
      identifier: { type: "dns", value: name },
      status: found.status,
      expires: new Date(this.behaviour.now() + 7 * DAY_MS).toISOString(),
      challenges: found.challenges.map(shownChallenge),
      ...(isWildcard ? { wildcard: true } : {}),
    };
    return { status: 200, body, retryAfter: found.status === "pending" ? this.behaviour.retryAfter : null };
  }

  async accept(account: Account, url: string): Promise<Answer> {
    const authorizations = [...this.#authorizations.values()];
    const found = authorizations.find(({ challenges }) => challenges.some((each) => each.url === url));
    const challenge = found?.challenges.find((each) => each.url === url);
    if (found === undefined || challenge === undefined)
      throw new Refusal("malformed", "no such challenge", 404);
    if (found.account !== account.url) throw new Refusal("unauthorized", "another account's", 403);
    if (challenge.status === "processing") return { status: 200, body: shownChallenge(challenge) };
    if (found.status !== "pending") throw new Refusal("malformed", `the authorization is ${found.status}`);
    challenge.verdict = await validate(this.behaviour, account, { name: found.name, challenge });
    challenge.status = "processing";
    found.polls = this.behaviour.validationPolls;
    if (found.polls === 0) judge(found);
    return { status: 200, body: shownChallenge(challenge) };
  }

  async finalize(account: Account, url: string, payload: Payload): Promise<Answer> {
    const order = this.#orders.get(url.replace(/\/finalize$/, ""));
    if (order === undefined) throw new Refusal("malformed", "no such order", 404);
    if (order.account !== account.url) throw new Refusal("unauthorized", "another account's order", 403);
    settle(order);
    if (order.status !== "ready")
      throw new Refusal("orderNotReady", `the order is ${order.status}, not ready`, 403);
    const csr = await readCsr(payload["csr"]);
    if (csr.names.toSorted().join() !== order.names.toSorted().join())
      throw new Refusal("badCSR", "the CSR has other names than the order");
    if (csr.publicKey.export({ format: "jwk" })["x"] === account.jwk["x"])
      throw new Refusal("badCSR", "the CSR is for the key of the account");
    order.issued = this.#issue(csr);
    order.polls = this.behaviour.processingPolls;
    order.status = order.polls === 0 ? "valid" : "processing";
    return { status: 200, location: order.url, ...shownOrder(order, this.behaviour.retryAfter) };
  }

  certificateAt(account: Account, url: string): Answer {
    const order = this.#orders.get(url.replace(/\/certificate$/, ""));
    if (order?.status !== "valid" || order.issued === null)
      throw new Refusal("malformed", "no such certificate", 404);
    if (order.account !== account.url) throw new Refusal("unauthorized", "another account's", 403);
    return { status: 200, body: order.issued.chainPem };
  }

  renewalInfo(id: string): Answer {
    const issued = this.issued.find(({ renewalId }) => renewalId === id);
    const { renewalWindow } = this.behaviour;
    if (issued === undefined || renewalWindow === null)
      throw new Refusal("malformed", "no such certificate", 404);
    const { start, end } = renewalWindow(issued);
    const explanationURL = "https://ca.example/why";
    return {
      status: 200,
      retryAfter: this.behaviour.retryAfter ?? "21600",
      body: { suggestedWindow: { start: start.toISOString(), end: end.toISOString() }, explanationURL },
    };
  }

  #issue(csr: Csr): Issued {
    const { now, skewMs, lifeMs, isKeyWrong } = this.behaviour;
    const asked = isKeyWrong ? { ...csr, publicKey: newKey("ecdsa-p256").publicKey } : csr;
    const issued = this.issuing.issue(asked, { nowMs: now() + skewMs, lifeMs });
    this.issued.push(issued);
    return issued;
  }

  #url(kind: string): string {
    this.#count += 1;
    return `${this.#base()}/${kind}/${String(this.#count)}`;
  }
}

function checkReplaced({ issued, orders }: Pick<Authority, "issued" | "orders">, id: string): void {
  if (!issued.some(({ renewalId }) => renewalId === id))
    throw new Refusal("malformed", "replaces names no certificate of this CA", 404);
  if (orders.some(({ replaces, status }) => replaces === id && status !== "invalid"))
    throw new Refusal("alreadyReplaced", "that certificate has been replaced by another order", 409);
}

function namesOf(identifiers: unknown): readonly string[] {
  const list = identifiers as readonly { readonly type: string; readonly value: string }[];
  if (list.length === 0) throw new Refusal("malformed", "no identifiers");
  return list.map(({ type, value }) => {
    if (type !== "dns") throw new Refusal("unsupportedIdentifier", "dns alone is taken here");
    return value;
  });
}

function newAuthorization(
  orderedName: string,
  {
    account,
    isProved,
    url,
  }: { readonly account: string; readonly isProved: boolean; readonly url: (kind: string) => string },
): Authorization {
  const isWildcard = orderedName.startsWith("*.");
  const types = isWildcard ? (["dns-01"] as const) : (["http-01", "dns-01"] as const);
  return {
    url: url("authorization"),
    name: isWildcard ? orderedName.slice(2) : orderedName,
    isWildcard,
    account,
    challenges: types.map((type) => ({
      type,
      url: url("challenge"),
      token: token(),
      status: "pending",
      verdict: null,
    })),
    status: isProved ? "valid" : "pending",
    polls: 0,
  };
}

/** Brings an order to what its authorizations say. */
function settle(order: Order): void {
  if (order.status !== "pending") return;
  const failed = order.authorizations.find(({ status }) => status === "invalid");
  if (failed !== undefined) {
    order.status = "invalid";
    order.error = failed.challenges.find(({ verdict }) => verdict !== null)?.verdict ?? null;
  } else if (order.authorizations.every(({ status }) => status === "valid")) order.status = "ready";
}

function look(authorization: Authorization): void {
  const isJudged = authorization.challenges.every(({ status }) => status !== "processing");
  if (!isJudged && --authorization.polls <= 0) judge(authorization);
}

function judge(authorization: Authorization): void {
  for (const challenge of authorization.challenges) {
    if (challenge.status !== "processing") continue;
    challenge.status = challenge.verdict === null ? "valid" : "invalid";
    authorization.status = challenge.status;
  }
}

const shownChallenge = ({ type, url, token: value, status, verdict }: Challenge): object => ({
  type,
  url,
  token: value,
  status,
  ...(status === "invalid" && verdict !== null ? { error: verdict.document() } : {}),
});

/** null = the challenge is met. */
async function validate(
  { lookUpTxt, fetchHttp }: AuthorityBehaviour,
  { jwk }: Account,
  { name, challenge }: { readonly name: string; readonly challenge: Challenge },
): Promise<Refusal | null> {
  const expected = `${challenge.token}.${thumbprintOf(jwk)}`;
  try {
    if (challenge.type === "http-01") {
      const content = await fetchHttp(name, challenge.token);
      if (content === expected) return null;
      const found = content === null ? "404" : JSON.stringify(content);
      return new Refusal("unauthorized", `the key authorization at ${name} is wrong: ${found}`, 403);
    }
    const record = `_acme-challenge.${name}`;
    const values = await lookUpTxt(record);
    if (values.includes(createHash("sha256").update(expected).digest("base64url"))) return null;
    const found = values.length === 0 ? "no TXT record" : `an incorrect TXT record ${values.join(", ")}`;
    return new Refusal("unauthorized", `${found} found at ${record}`, 403);
  } catch (error) {
    const type = challenge.type === "http-01" ? "connection" : "dns";
    return new Refusal(type, `${name}: ${String(error)}`);
  }
}

function shownOrder(order: Order, retryAfter: string | null): Pick<Answer, "body" | "retryAfter"> {
  settle(order);
  const { url, status, expires, names, profile, authorizations, error } = order;
  const isOver = status === "valid" || status === "invalid";
  const body = {
    status,
    expires,
    identifiers: names.map((value) => ({ type: "dns", value })),
    authorizations: authorizations.map((each) => each.url),
    finalize: `${url}/finalize`,
    ...(profile === null ? {} : { profile }),
    ...(status === "valid" ? { certificate: `${url}/certificate` } : {}),
    ...(error === null ? {} : { error: error.document() }),
  };
  return { body, retryAfter: isOver ? null : retryAfter };
}
