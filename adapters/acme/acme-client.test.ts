import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AcmeAccount, type AcmeCa, AcmeProblem } from "../../core/management/acme-ca.ts";
import { NotFound, Unavailable } from "../../core/errors.ts";
import { createCsr } from "../../core/x509/certificate-request.ts";
import { createPrivateKeyOf } from "../../core/x509/new-key.ts";
import { type AcmeFault, type AcmeStep, TestAcmeCa } from "../../test/support/acme-ca/acme-ca.ts";
import { newAccount, newAccountKey } from "../../test/support/acme-ca/walk-order.ts";
import { issueServer } from "../../test/support/pki.ts";
import { createAcmeCas } from "./acme-cas.ts";

const HOUR_MS = 3600 * 1000;
const NAMES = ["mx.example.com"];

let server: TestAcmeCa;
let nowMs = 0;

interface ClientOptions {
  readonly eabKeyId?: string;
  readonly eabKey?: Uint8Array;
  readonly caFile?: string;
  readonly url?: string;
  readonly deadlineMs?: number;
}

function client(options: ClientOptions = {}): AcmeCa {
  const { eabKeyId = null, eabKey = null, caFile = server.caFile, url = server.directoryUrl } = options;
  const cas = createAcmeCas({
    directories: [{ name: "test", url, contact: ["mailto:admin@example.com"], eabKeyId, caFile }],
    readEabKey: async () => eabKey,
    clock: { now: () => nowMs },
    release: "1.2.3",
    ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
  });
  const ca = cas.ca("test");
  if (ca === null) throw new Error("not configured");
  return ca;
}

beforeEach(async () => {
  nowMs = Date.now();
  server = await TestAcmeCa.start({ isPreApproved: true, now: () => nowMs });
});

afterEach(() => server.close());

async function failureOf<T>(kind: new (...args: never[]) => T, failing: Promise<unknown>): Promise<T> {
  const error = await failing.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(kind);
  return error as T;
}

const newOrder = (ca: AcmeCa, account: AcmeAccount, names: readonly string[] = NAMES) =>
  ca.newOrder(account, { names, profile: null, replaces: null });

async function csrOf(names: readonly string[] = NAMES): Promise<Uint8Array> {
  const { privateKeyPem } = await createPrivateKeyOf("ecdsa-p256");
  return (await createCsr({ names, privateKeyPem })).der;
}

async function issued(
  ca: AcmeCa,
  account: AcmeAccount,
): Promise<{ readonly url: string; readonly pem: string }> {
  const order = await newOrder(ca, account);
  const { certificate } = await ca.finalize(account, order, await csrOf());
  return { url: certificate ?? "", pem: await ca.certificate(account, certificate ?? "") };
}

/** One call of each kind, up to the step of the name. */
async function callOf(step: AcmeStep): Promise<(ca: AcmeCa) => Promise<unknown>> {
  const ca = client();
  if (step === "directory") return (fresh) => fresh.directory();
  if (step === "newAccount" || step === "newNonce") return (fresh) => fresh.account(newAccountKey());
  const account = await newAccount(ca);
  if (step === "newOrder") return (fresh) => newOrder(fresh, account);
  if (step === "certificate" || step === "renewalInfo") {
    const { url, pem } = await issued(ca, account);
    return (fresh) => (step === "certificate" ? fresh.certificate(account, url) : fresh.renewalInfo(pem));
  }
  if (step === "challenge") server.behaviour.isPreApproved = false;
  const order = await newOrder(ca, account);
  const [authorizationUrl = ""] = order.authorizations;
  if (step === "order") return (fresh) => fresh.order(account, order.url);
  if (step === "authorization") return (fresh) => fresh.authorization(account, authorizationUrl);
  if (step === "finalize") {
    const csr = await csrOf();
    return (fresh) => fresh.finalize(account, order, csr);
  }
  const { challenges } = await ca.authorization(account, authorizationUrl);
  return (fresh) => fresh.accept(account, challenges[0]?.url ?? "");
}

const STEPS: readonly AcmeStep[] = [
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
];

describe.each(STEPS)("at the step %s", (step) => {
  it.each<readonly [string, AcmeFault]>([
    ["hangs up", { kind: "hang-up" }],
    ["hangs up after its work", { kind: "hang-up", after: true }],
    ["answers with a page of a proxy", { kind: "answer", status: 502, body: "<html>Bad gateway</html>" }],
    ["redirects", { kind: "answer", status: 302, headers: { location: "/directory" }, body: "" }],
  ])("a CA that %s is unavailable, and answers again afterwards", async (_title, fault) => {
    const call = await callOf(step);
    server.faults.set(step, fault);
    const counts = { ...server.counts };
    const { message } = await failureOf(Unavailable, call(client()));
    expect(message).toMatch(/^the CA test (?:does not answer|answered with HTTP status \d+)/);
    expect(server.counts[step]).toBe(counts[step] + 1);
    server.faults.clear();
    const again = await call(client()).catch((error: unknown) => error);
    // What was done before its answer was lost is not done twice.
    expect(again instanceof Unavailable).toBe(false);
  });

  it("a refusal has type, detail, status, Retry-After and what is wrong at each name", async () => {
    const call = await callOf(step);
    server.faults.set(step, {
      kind: "refusal",
      type: "rateLimited",
      detail: "too many",
      status: step === "newNonce" ? 503 : 429,
      retryAfter: "120",
      subproblems: [{ name: "mx.example.com", type: "caa", detail: "not permitted" }],
    });
    const error = await call(client()).catch((reason: unknown) => reason);
    // A HEAD request has no body.
    if (step === "newNonce") expect(error).toMatchObject({ name: "Unavailable", retryAfterMs: 120_000 });
    else
      expect(error).toMatchObject({
        name: "AcmeProblem",
        type: "rateLimited",
        detail: "too many",
        status: 429,
        retryAfterMs: 120_000,
        subproblems: [{ name: "mx.example.com", type: "caa", detail: "not permitted" }],
        message: "rateLimited: too many (mx.example.com: caa: not permitted)",
      });
  });
});

const WITH_BODY = STEPS.filter((step) => step !== "newNonce" && step !== "challenge");

describe.each(WITH_BODY)("an answer at the step %s", (step) => {
  it.each<readonly [string, AcmeFault]>([
    ["that is no JSON and no PEM", { kind: "answer", status: 200, body: "hello" }],
    ["that is JSON of another kind", { kind: "answer", status: 200, body: '{"status":"odd"}' }],
    ["that is an array", { kind: "answer", status: 200, body: "[1]" }],
    ["that is empty", { kind: "answer", status: 200, body: "" }],
    ["that is too large", { kind: "answer", status: 200, body: " ".repeat(1_000_001) }],
    ["that breaks off", { kind: "cut-off" }],
  ])("%s makes the CA unavailable", async (_title, fault) => {
    const call = await callOf(step);
    server.faults.set(step, fault);
    const { message } = await failureOf(Unavailable, call(client()));
    expect(message).toMatch(/^the CA test /);
  });
});

describe("a CA", () => {
  it("that never answers is given up at the deadline", async () => {
    server.faults.set("directory", { kind: "silence" });
    const { message } = await failureOf(Unavailable, client({ deadlineMs: 50 }).directory());
    expect(message).toBe("the CA test does not answer in time");
  });

  it("whose TLS certificate does not lead to caFile is not spoken to", async () => {
    const other = await TestAcmeCa.start();
    try {
      const { message } = await failureOf(Unavailable, client({ caFile: other.caFile }).directory());
      expect(message).toMatch(/^the CA test does not answer \([A-Z_]+\)$/);
      expect(server.counts.directory).toBe(0);
    } finally {
      await other.close();
    }
  });

  it("learns which program asks, and that English is read", async () => {
    await client().directory();
    expect(server.lastHeaders).toMatchObject({
      "user-agent": "Postern/1.2.3",
      "accept-language": "en",
      "accept-encoding": "identity",
    });
  });

  it("gives its directory once an hour", async () => {
    const ca = client();
    await ca.directory();
    nowMs += HOUR_MS - 1;
    await ca.directory();
    expect(server.counts.directory).toBe(1);
    nowMs += 1;
    await ca.directory();
    expect(server.counts.directory).toBe(2);
  });

  it("that gives URLs of another origin is unavailable, and they are not requested", async () => {
    const other = await TestAcmeCa.start();
    try {
      const ca = client();
      const account = await newAccount(ca);
      const body = JSON.stringify({ status: "pending", authorizations: [], finalize: other.directoryUrl });
      const headers = { location: other.directoryUrl };
      server.faults.set("newOrder", { kind: "answer", status: 201, headers, body });
      expect((await failureOf(Unavailable, newOrder(ca, account))).message).toContain("gave a URL");
      server.faults.clear();
      const order = await newOrder(ca, account);
      const elsewhere = { ...order, finalize: other.directoryUrl };
      await failureOf(Unavailable, ca.finalize(account, elsewhere, await csrOf()));
      await failureOf(Unavailable, ca.order(account, `http://127.0.0.1${new URL(order.url).pathname}`));
      await failureOf(Unavailable, ca.certificate(account, "file:///etc/passwd"));
      const directory = JSON.stringify({
        newNonce: other.directoryUrl,
        newAccount: other.directoryUrl,
        newOrder: other.directoryUrl,
      });
      server.faults.set("directory", { kind: "answer", status: 200, body: directory });
      await failureOf(Unavailable, client().account(newAccountKey()));
      expect(Object.values(other.counts).every((count) => count === 0)).toBe(true);
    } finally {
      await other.close();
    }
  });

  it("that is asked for a profile which it does not offer is not asked at all", async () => {
    const ca = client();
    const account = await newAccount(ca);
    const request = { names: NAMES, profile: "short\u202elived", replaces: null };
    const problem = await failureOf(AcmeProblem, ca.newOrder(account, request));
    expect(problem.message).toBe("invalidProfile: the CA test offers no profiles, and not short lived");
    expect(server.counts.newOrder).toBe(0);
  });

  it("without renewal information is not asked for it, and an order names nothing that it replaces", async () => {
    const account = await newAccount(client());
    const { pem } = await issued(client(), account);
    server.behaviour.renewalWindow = null;
    expect(await client().renewalInfo(pem)).toBeNull();
    expect(server.counts.renewalInfo).toBe(0);
    const { status } = await client().newOrder(account, { names: NAMES, profile: null, replaces: "a.b" });
    expect(status).toBe("ready");
    expect(server.authority.orders.at(-1)?.replaces).toBeNull();
  });
});

describe("nonces", () => {
  it("that a CA rejects are replaced until it takes one", async () => {
    server.rejectedNonces = 50;
    const ca = client();
    const account = await newAccount(ca);
    for (let each = 0; each < 5; each += 1) await newOrder(ca, account);
    expect(server.authority.orders).toHaveLength(5);
    expect(server.counts.newOrder).toBeGreaterThan(5);
  });

  it("that a CA never takes end the call after 20 attempts", async () => {
    const ca = client();
    const account = await newAccount(ca);
    server.rejectedNonces = 100;
    expect(await failureOf(AcmeProblem, newOrder(ca, account))).toMatchObject({ type: "badNonce" });
    expect(server.counts.newOrder).toBe(20);
  });

  it("come with every answer to a signed request, and are asked for once", async () => {
    const ca = client();
    const account = await newAccount(ca);
    for (let each = 0; each < 5; each += 1) await newOrder(ca, account);
    expect(server.counts.newNonce).toBe(1);
  });

  it("serve calls at the same time", async () => {
    const ca = client();
    const account = await newAccount(ca);
    await Promise.all(Array.from({ length: 8 }, () => newOrder(ca, account)));
    expect(server.authority.orders).toHaveLength(8);
  });
});

describe("an account", () => {
  it("is made once when the answer was lost, with the contact and the terms agreed to", async () => {
    const key = newAccountKey();
    let isLost = true;
    server.onRequest = (step, moment) => {
      const isMade = step === "newAccount" && moment === "after" && server.authority.accounts.length > 0;
      if (isMade && isLost) {
        isLost = false;
        throw new Error("the connection ends");
      }
    };
    await failureOf(Unavailable, client().account(key));
    const url = await client().account(key);
    expect(server.authority.accounts).toMatchObject([{ url, contact: ["mailto:admin@example.com"] }]);
  });

  it("is bound to the account outside, once; wrong, missing and absent keys are refused", async () => {
    const hmacKey = randomBytes(32);
    server.behaviour.externalAccount = { keyId: "kid-1", hmacKey };
    const bound = client({ eabKeyId: "kid-1", eabKey: hmacKey });
    const key = newAccountKey();
    const url = await bound.account(key);
    expect(await client({ eabKeyId: "kid-1" }).account(key)).toBe(url);
    const refusals = [
      [client(), "externalAccountRequired", 403],
      [client({ eabKeyId: "kid-1" }), "externalAccountRequired", 0],
      [client({ eabKeyId: "kid-1", eabKey: randomBytes(32) }), "unauthorized", 403],
      [client({ eabKeyId: "kid-2", eabKey: hmacKey }), "unauthorized", 403],
    ] as const;
    for (const [ca, type, status] of refusals)
      expect(await failureOf(AcmeProblem, ca.account(newAccountKey()))).toMatchObject({ type, status });
    expect(server.authority.accounts).toHaveLength(1);
  });

  it.each(["deactivated", "revoked"])("that is %s is a refusal", async (status) => {
    const body = JSON.stringify({ status });
    server.faults.set("newAccount", { kind: "answer", status: 200, body });
    const problem = await failureOf(AcmeProblem, client().account(newAccountKey()));
    expect(problem.message).toBe(`unauthorized: the account is ${status}`);
  });

  it("that the CA has forgotten is named so", async () => {
    const ca = client();
    const account = await newAccount(ca);
    server.authority.forgetAccounts();
    const problem = await failureOf(AcmeProblem, newOrder(ca, account));
    expect(problem.type).toBe("accountDoesNotExist");
  });
});

describe("an order", () => {
  it("that the CA has forgotten is not found", async () => {
    const ca = client();
    const account = await newAccount(ca);
    const order = await newOrder(ca, account);
    server.authority.forgetOrders();
    await expect(ca.order(account, order.url)).rejects.toThrow(NotFound);
    await expect(ca.finalize(account, order, await csrOf())).rejects.toThrow(NotFound);
    await expect(ca.authorization(account, order.authorizations[0] ?? "")).rejects.toThrow(NotFound);
  });

  it("is made although the answer was lost, so that a second one is another order", async () => {
    const ca = client();
    const account = await newAccount(ca);
    server.faults.set("newOrder", { kind: "hang-up", after: true });
    await failureOf(Unavailable, newOrder(ca, account));
    expect(server.authority.orders).toHaveLength(1);
  });

  it("has Retry-After as a date, by the clock", async () => {
    server.behaviour.isPreApproved = false;
    server.behaviour.retryAfter = new Date(nowMs + 90_000).toUTCString();
    const ca = client();
    const { retryAfterMs } = await newOrder(ca, await newAccount(ca));
    expect(retryAfterMs).toBeGreaterThan(88_000);
    expect(retryAfterMs).toBeLessThanOrEqual(90_000);
  });
});

describe("a certificate", () => {
  const leaf = issueServer({ names: NAMES });

  it.each([
    ["with a key beside it", leaf.certificatePem + leaf.privateKeyPem],
    ["that is a key alone", leaf.privateKeyPem],
    ["without its last line", leaf.certificatePem.replace(/-----END.*\n/, "")],
    ["whose bytes are no certificate", leaf.certificatePem.replace(/\n[\s\S]*\n(?=-----END)/, "\nAAAA\n")],
    ["above 64 KB", leaf.certificatePem.repeat(Math.ceil(65_537 / leaf.certificatePem.length))],
  ])("%s is not taken", async (_title, body) => {
    const ca = client();
    const account = await newAccount(ca);
    const { url } = await issued(ca, account);
    server.faults.set("certificate", { kind: "answer", status: 200, body });
    const { message } = await failureOf(Unavailable, ca.certificate(account, url));
    expect(message).not.toContain("PRIVATE");
  });
});

describe("renewal information", () => {
  it.each([
    [null, 6 * HOUR_MS],
    ["1", 60_000],
    ["7200", 2 * HOUR_MS],
    ["9999999", 24 * HOUR_MS],
    ["soon", 6 * HOUR_MS],
  ])("with Retry-After %j is asked for again after %i ms", async (retryAfter, ms) => {
    const { pem } = await issued(client(), await newAccount(client()));
    const window = { start: "2026-01-01T00:00:00Z", end: "2026-01-02T00:00:00.123456789Z" };
    server.faults.set("renewalInfo", {
      kind: "answer",
      status: 200,
      headers: retryAfter === null ? {} : { "retry-after": retryAfter },
      body: JSON.stringify({ suggestedWindow: window }),
    });
    expect(await client().renewalInfo(pem)).toEqual({
      start: "2026-01-01T00:00:00.000Z",
      end: "2026-01-02T00:00:00.123Z",
      retryAfterMs: ms,
    });
  });

  it.each([
    ["ends before it starts", { start: "2026-01-02T00:00:00Z", end: "2026-01-01T00:00:00Z" }],
    ["is no time", { start: "soon", end: "2026-01-01T00:00:00Z" }],
    ["lacks its end", { start: "2026-01-02T00:00:00Z" }],
  ])("whose window %s is not taken", async (_title, suggestedWindow) => {
    const { pem } = await issued(client(), await newAccount(client()));
    server.faults.set("renewalInfo", {
      kind: "answer",
      status: 200,
      body: JSON.stringify({ suggestedWindow }),
    });
    await expect(client().renewalInfo(pem)).rejects.toThrow(Unavailable);
  });
});

describe("texts of a CA", () => {
  it.each([
    ["control characters", "a\u0000b\u001b[31mc\nd", "a b [31mc d"],
    ["a change of direction", "abc\u202edef", "abc def"],
    ["too many characters", "x".repeat(100_000), "x".repeat(500)],
    ["a private key", "-----BEGIN PRIVATE KEY-----", "(a text with a private key, not shown)"],
    ["half of a character", "a\ud800b", "a\ufffdb"],
  ])("with %s are cleaned and cut", async (_title, detail, shown) => {
    server.faults.set("newAccount", { kind: "refusal", type: "malformed", detail });
    const problem = await failureOf(AcmeProblem, client().account(newAccountKey()));
    expect(problem.detail).toBe(shown);
  });

  it("of a refusal name at most 20 names", async () => {
    const subproblems = Array.from({ length: 300 }, () => ({ name: "a.example", type: "dns", detail: "" }));
    server.faults.set("newAccount", { kind: "refusal", type: "compound", subproblems });
    const problem = await failureOf(AcmeProblem, client().account(newAccountKey()));
    expect(problem.subproblems).toHaveLength(20);
  });

  it("are bounded in an order's problem too", async () => {
    const ca = client();
    const account = await newAccount(ca);
    const { url, finalize } = await newOrder(ca, account);
    const subproblems = Array.from({ length: 300 }, () => ({
      identifier: { type: "dns", value: "y".repeat(1000) },
      type: "urn:ietf:params:acme:error:dns",
      detail: "z".repeat(1000),
    }));
    const error = { type: "urn:ietf:params:acme:error:compound", detail: "x\u0007", subproblems };
    const body = JSON.stringify({ status: "invalid", authorizations: [], finalize, error });
    server.faults.set("order", { kind: "answer", status: 200, body });
    const { problem } = await ca.order(account, url);
    expect(problem).toMatch(/^compound: x \(y{253}: dns: z{500}; /);
    expect(problem).toHaveLength(1000);
  });

  it.each([
    ["429 without a document", { status: 429, body: "slow down" }, "rateLimited", 30_000],
    ["404 with a page", { status: 404, body: "<html>" }, "about:blank", 30_000],
    ["a document without members", { status: 400, body: "{}" }, "about:blank", 30_000],
    [
      "a document of the wrong types",
      { status: 403, body: '{"type":1,"detail":[],"subproblems":"x"}' },
      "about:blank",
      30_000,
    ],
  ])("that are %s are a refusal still", async (_title, { status, body }, type, retryAfterMs) => {
    const headers = { "retry-after": "30", "content-type": "application/problem+json" };
    server.faults.set("newAccount", { kind: "answer", status, headers, body });
    const problem = await failureOf(AcmeProblem, client().account(newAccountKey()));
    expect(problem).toMatchObject({ type, status, retryAfterMs });
  });
});
