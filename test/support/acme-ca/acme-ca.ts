import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { basicConstraints, EKU, extKeyUsage, ipName, subjectAltName } from "../certificate-writer.ts";
import { issueServer, makeCa } from "../pki.ts";
import { seededRandom } from "../seeded-random.ts";
import { type Answer, Authority, type AuthorityBehaviour } from "./authority.ts";
import { Refusal, type Subproblem } from "./refusal.ts";
import { keyOf, readSignedBody, type SignedBody } from "./signed-request.ts";

/** Kinds of requests, in the order of an issuance. */
export const ACME_STEPS = [
  "directory",
  "newNonce",
  "newAccount",
  "newOrder",
  "authorization",
  "challenge",
  "finalize",
  "order",
  "certificate",
  "renewalInfo",
] as const;
export type AcmeStep = (typeof ACME_STEPS)[number];

/** What the CA does instead of its work. */
export type AcmeFault =
  /** Ends the connection. `after`: the work is done, and its answer lost. */
  | { readonly kind: "hang-up"; readonly after?: boolean }
  /** Never answers. */
  | { readonly kind: "silence" }
  /** Announces the whole body and sends half of it. */
  | { readonly kind: "cut-off" }
  | {
      readonly kind: "refusal";
      readonly type: string;
      readonly detail?: string;
      readonly status?: number;
      readonly retryAfter?: string;
      readonly subproblems?: readonly Subproblem[];
    }
  /** Any answer: redirects, garbage, pages of a proxy. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: string;
    };

const DAY_MS = 24 * 3600 * 1000;

/**
 * A CA that speaks ACME (RFC 8555, RFC 9773) over HTTPS on loopback: it checks nonces, signatures and CSRs,
 * validates by lookups that the test gives, and signs with its own root and intermediate. Everything can be
 * changed while it runs: `behaviour`, `faults`, `onRequest`.
 */
export class TestAcmeCa {
  readonly behaviour: AuthorityBehaviour = {
    now: () => Date.now(),
    lifeMs: 6 * DAY_MS,
    skewMs: 0,
    lookUpTxt: () => [],
    fetchHttp: () => null,
    externalAccount: null,
    profiles: {},
    renewalWindow: ({ notBefore, notAfter }) => {
      const startMs = notBefore.getTime() + ((notAfter.getTime() - notBefore.getTime()) * 2) / 3;
      return { start: new Date(startMs), end: new Date(startMs + DAY_MS / 4) };
    },
    isPreApproved: false,
    processingPolls: 0,
    validationPolls: 0,
    retryAfter: null,
    isKeyWrong: false,
    shownName: (name, isWildcard) => ({ name, isWildcard }),
  };
  readonly authority = new Authority(this.behaviour, () => this.#base);
  /** What goes wrong, by step. */
  readonly faults = new Map<AcmeStep, AcmeFault>();
  /** Ends every connection without an answer. */
  isUnreachable = false;
  /** Percentage of good nonces that are not taken. */
  rejectedNonces = 0;
  /**
   * Called at each request: before its work, and after it, before the answer is sent. Throws = the connection
   * ends there.
   */
  onRequest: (step: AcmeStep, moment: "before" | "after") => void | Promise<void> = () => undefined;
  /** Requests by step, those with faults and bad nonces too. */
  readonly counts: Record<AcmeStep, number> = {
    directory: 0,
    newNonce: 0,
    newAccount: 0,
    newOrder: 0,
    authorization: 0,
    challenge: 0,
    finalize: 0,
    order: 0,
    certificate: 0,
    renewalInfo: 0,
  };
  /** Header fields of the last request. */
  lastHeaders: IncomingMessage["headers"] = {};
  readonly #random = seededRandom(1);
  readonly #nonces = new Set<string>();
  readonly #server: Server;
  readonly #directory = mkdtempSync(join(tmpdir(), "acme-ca-"));
  #base = "";

  private constructor() {
    const ca = makeCa({ name: "TLS of the test CA" });
    const extensions = [
      basicConstraints(false),
      extKeyUsage(EKU.serverAuth),
      subjectAltName(ipName(127, 0, 0, 1)),
    ];
    const { privateKeyPem, bundlePem } = issueServer({ names: [], ca, extensions });
    writeFileSync(this.caFile, ca.rootPem);
    this.#server = createServer({ key: privateKeyPem, cert: bundlePem }, (request, response) => {
      void this.#serve(request, response).catch(() => request.socket.destroy());
    });
  }

  static async start(behaviour: Partial<AuthorityBehaviour> = {}): Promise<TestAcmeCa> {
    const ca = new TestAcmeCa();
    Object.assign(ca.behaviour, behaviour);
    await new Promise<void>((resolve) => ca.#server.listen(0, "127.0.0.1", resolve));
    const address = ca.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    ca.#base = `https://127.0.0.1:${String(address.port)}`;
    return ca;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#directory, { recursive: true });
  }

  get directoryUrl(): string {
    return `${this.#base}/directory`;
  }

  /** Path of the root of the CA's own TLS certificate. */
  get caFile(): string {
    return join(this.#directory, "tls-root.pem");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.lastHeaders = request.headers;
    const step = stepOf(request.url ?? "");
    this.counts[step] += 1;
    await this.onRequest(step, "before");
    const fault = this.faults.get(step);
    if (this.isUnreachable || (fault?.kind === "hang-up" && fault.after !== true)) {
      request.socket.destroy();
      return;
    }
    if (fault?.kind === "silence") return;
    const answer = await this.#answer(request, step, fault);
    await this.onRequest(step, "after");
    if (fault?.kind === "hang-up") {
      request.socket.destroy();
    } else {
      const nonce = request.method === "GET" ? null : this.#newNonce();
      send(response, { ...answer, nonce, isCutOff: fault?.kind === "cut-off" });
    }
  }

  async #answer(request: IncomingMessage, step: AcmeStep, fault: AcmeFault | undefined): Promise<SentAnswer> {
    try {
      if (fault?.kind === "answer") return { ...fault, headers: fault.headers ?? {} };
      const body = await bodyOf(request);
      const isSigned = request.method === "POST";
      const signed = isSigned ? this.#checked(request, body) : null;
      if (fault?.kind === "refusal") throw refusalOf(fault);
      const done = await this.#work(step, `${this.#base}${request.url ?? ""}`, signed);
      const { location, retryAfter = null } = done;
      const headers = {
        ...(location === undefined ? {} : { location }),
        ...(retryAfter === null ? {} : { "retry-after": retryAfter }),
      };
      if (typeof done.body === "string")
        return {
          status: done.status,
          headers: { ...headers, "content-type": "application/pem-certificate-chain" },
          body: done.body,
        };
      return {
        status: done.status,
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(done.body),
      };
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal("serverInternal", String(error), 500);
      const after = fault?.kind === "refusal" ? fault.retryAfter : undefined;
      const headers = {
        "content-type": "application/problem+json",
        ...(after === undefined ? {} : { "retry-after": after }),
      };
      return { status: refusal.status, headers, body: JSON.stringify(refusal.document()) };
    }
  }

  /** Checks what every signed request must have. @throws Refusal */
  #checked(request: IncomingMessage, body: string): SignedBody {
    if (request.headers["content-type"] !== "application/jose+json")
      throw new Refusal("malformed", "the content type must be application/jose+json", 415);
    if (request.headers["user-agent"] === undefined) throw new Refusal("malformed", "no User-Agent");
    const signed = readSignedBody(body);
    if (signed.header.url !== `${this.#base}${request.url ?? ""}`)
      throw new Refusal("unauthorized", "the signed URL is another one", 403);
    const isGood = this.#nonces.delete(signed.header.nonce);
    if (!isGood || this.#random.below(100) < this.rejectedNonces)
      throw new Refusal("badNonce", "the nonce is not known");
    return signed;
  }

  #newNonce(): string {
    const nonce = randomBytes(16).toString("base64url");
    this.#nonces.add(nonce);
    return nonce;
  }

  async #work(step: AcmeStep, url: string, signed: SignedBody | null): Promise<Answer> {
    if (step === "newNonce") return { status: 200, body: "" };
    if (step === "directory") return { status: 200, body: shownDirectory(this.#base, this.behaviour) };
    if (step === "renewalInfo") return this.authority.renewalInfo(url.replace(/^.*\//, ""));
    if (signed === null) throw new Refusal("malformed", "POST must be used", 405);
    const { header, payload } = signed;
    if (step === "newAccount") {
      if (header.jwk === null) throw new Refusal("malformed", "a new account sends its key");
      signed.verify(keyOf(header.jwk));
      return this.authority.newAccount(header.jwk, objectOf(payload));
    }
    if (header.kid === null) throw new Refusal("malformed", "kid must name the account");
    const account = this.authority.accountAt(header.kid);
    signed.verify(keyOf(account.jwk));
    switch (step) {
      case "newOrder":
        return this.authority.newOrder(account, objectOf(payload));
      case "finalize":
        return this.authority.finalize(account, url, objectOf(payload));
      case "challenge":
        if (JSON.stringify(payload) !== "{}") throw new Refusal("malformed", "the payload must be {}");
        return this.authority.accept(account, url);
      default:
        if (payload !== null) throw new Refusal("malformed", "POST-as-GET has no payload");
    }
    if (step === "order") return this.authority.orderAt(account, url);
    if (step === "authorization") return this.authority.authorizationAt(account, url);
    return this.authority.certificateAt(account, url);
  }
}

interface SentAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const STEP_OF_PATH: readonly (readonly [RegExp, AcmeStep])[] = [
  [/^\/directory$/, "directory"],
  [/^\/new-nonce$/, "newNonce"],
  [/^\/new-account$/, "newAccount"],
  [/^\/new-order$/, "newOrder"],
  [/^\/authorization\//, "authorization"],
  [/^\/challenge\//, "challenge"],
  [/^\/order\/\d+\/finalize$/, "finalize"],
  [/^\/order\/\d+\/certificate$/, "certificate"],
  [/^\/renewal-info\//, "renewalInfo"],
];

/** Everything else is an order that the CA does not know. */
const stepOf = (path: string): AcmeStep =>
  STEP_OF_PATH.find(([pattern]) => pattern.test(path))?.[1] ?? "order";

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function objectOf(payload: unknown): Readonly<Record<string, unknown>> {
  if (typeof payload !== "object" || payload === null) throw new Refusal("malformed", "no payload");
  return payload as Record<string, unknown>;
}

const refusalOf = ({
  type,
  detail = type,
  status = 400,
  subproblems,
}: AcmeFault & { kind: "refusal" }): Refusal => new Refusal(type, detail, status, subproblems);

function send(
  response: ServerResponse,
  { status, headers, body, nonce, isCutOff }: SentAnswer & { nonce: string | null; isCutOff: boolean },
): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, {
    ...(nonce === null ? {} : { "replay-nonce": nonce }),
    "cache-control": "no-store",
    ...headers,
    "content-length": String(length),
  });
  if (!isCutOff) {
    response.end(body);
    return;
  }
  response.write(body.slice(0, body.length / 2), () => response.destroy());
}

function shownDirectory(
  base: string,
  { externalAccount, profiles, renewalWindow }: AuthorityBehaviour,
): object {
  return {
    newNonce: `${base}/new-nonce`,
    newAccount: `${base}/new-account`,
    newOrder: `${base}/new-order`,
    ...(renewalWindow === null ? {} : { renewalInfo: `${base}/renewal-info` }),
    meta: {
      termsOfService: "https://ca.example/terms",
      caaIdentities: ["ca.example"],
      ...(externalAccount === null ? {} : { externalAccountRequired: true }),
      ...(Object.keys(profiles).length === 0 ? {} : { profiles }),
    },
  };
}
