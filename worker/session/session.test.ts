import type { PeerCertificate } from "../../core/x509/peer-certificate.ts";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import type { ChainVerdict, ClientChainVerifier } from "../../core/policy/chain-verifier.ts";
import type { TlsFacts } from "../../core/policy/facts.ts";
import { gate } from "../../test/support/gate.ts";
import { makeCa } from "../../test/support/pki.ts";
import { domainRecord, name, trustStoreId } from "../../test/support/records.ts";
import { recordingDelivery } from "../../test/support/recording-delivery.ts";
import {
  type EdgeOptionsForTests,
  edgeDefaults,
  grouped,
  snapshotOf,
  type TestSettings,
  trustStoreOf,
} from "../../test/support/test-edge.ts";
import { DEFAULT_LIMITS, type Limits } from "../config/limits.ts";
import { ByteBudget } from "./byte-budget.ts";
import type { EdgeEvent } from "../event/edge-event.ts";
import type { CommandAnswer } from "./refusal-limits.ts";
import { REPLIES } from "../../core/smtp/replies.ts";
import { Session } from "./session.ts";
import type { AcceptedConnection } from "./accepted-connection.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const SETTINGS: TestSettings = {
  domains: [domainRecord({ name: "a.example" }), domainRecord({ name: "b.example" })],
};

interface Given extends Partial<Pick<EdgeOptionsForTests, "chainVerifier" | "postmaster" | "routeOf">> {
  readonly settings?: TestSettings;
  readonly limits?: Partial<Limits>;
  readonly connection?: Partial<AcceptedConnection>;
  /** Whether a certificate can serve; a function is asked anew. */
  readonly usable?: () => boolean | Promise<boolean>;
}

/** A session without a socket, and its events. */
function begin(given: Given = {}) {
  const { settings = SETTINGS, limits, connection, usable = () => true, ...rest } = given;
  const events: EdgeEvent[] = [];
  const delivery = recordingDelivery();
  const snapshot = snapshotOf(settings);
  const allLimits = { ...DEFAULT_LIMITS, ...limits };
  const budget = new ByteBudget(allLimits.maxBytesInFlight);
  const session = new Session(
    {
      id: "s1",
      listener: { name: "smtp", dedicatedTo: null },
      clientAddress: "192.0.2.1",
      clientPort: 1025,
      clientKey: "192.0.2.1",
      isHealthCheck: false,
      snapshot,
      ...connection,
    },
    {
      ...grouped({ ...edgeDefaults(), clock: { now: () => NOW }, delivery, ...rest }),
      limits: allLimits,
      onEvent: (event) => events.push(event),
      dedicatedDomains: new Set([name("dedicated.example")]),
      contexts: {
        usable,
        get: () => null,
        prepare: async () => {},
        served: () => [],
        problems: () => [],
        replaceDefault: () => {},
        size: 0,
        defaultNotAfterMs: () => null,
      },
      budget,
    },
  );
  const kinds = (): string[] => events.map(({ kind }) => kind);
  return { session, events, kinds, delivery, budget };
}

/** A session that has greeted. */
function greeted(given: Given = {}) {
  const begun = begin(given);
  begun.session.reset({ text: "client.example", extended: true });
  return begun;
}

const line = (text: string): Buffer => Buffer.from(text, "utf8");
const MAIL = line("MAIL FROM:<a@client.example>");
const rcpt = (address: string): Buffer => line(`RCPT TO:<${address}>`);
const said = ({ reply: { code, text }, countsAs }: CommandAnswer): string =>
  `${code} ${text.split(" ")[0]} ${countsAs}`;
const shown = (answer: CommandAnswer | null): string | null => answer && said(answer);

describe("MAIL", () => {
  it.each([
    ["MAIL FROM:<a@client.example>", "250 2.1.0 command"],
    ["MAIL FROM:<>", "250 2.1.0 command"],
    ["MAIL FROM:<a@client.example> SIZE=10 BODY=8BITMIME", "250 2.1.0 command"],
    ["MAIL FROM:<a@client.example", "501 5.1.7 command"],
    ["MAIL FROM:<postmaster>", "501 5.1.7 command"],
    ["MAIL FROM:<a@client.example> SIZE=x", "501 5.5.4 command"],
    ["MAIL FROM:<a@client.example> SIZE=1001", "552 5.3.4 message"],
    ["MAIL FROM:<a@client.example> REQUIRETLS", "555 5.5.4 command"],
    ["MAIL FROM:<jörg@client.example>", "553 5.6.7 command"],
    ["MAIL FROM:<jörg@client.example> SMTPUTF8", "250 2.1.0 command"],
  ])("is answered: %s → %s", (text, expected) => {
    const { session } = greeted({ limits: { maxMessageBytes: 1_000 } });
    expect(said(session.mail(line(text)))).toBe(expected);
    expect(session.inTransaction).toBe(expected.startsWith("250"));
  });

  it("opens one transaction at a time", () => {
    const { session } = greeted();
    session.mail(MAIL);
    expect(said(session.mail(MAIL))).toBe("503 5.5.1 command");
    session.reset({ text: "client.example", extended: true });
    expect(said(session.mail(MAIL))).toBe("250 2.1.0 command");
  });

  it("is refused in plaintext where STARTTLS is offered and every domain requires TLS, and taken in TLS", () => {
    const settings = { domains: [domainRecord({ name: "a.example", server: { level: "require" } })] };
    const { session } = greeted({ settings });
    expect(session.tls.offer()).toBe("offered");
    expect(said(session.mail(MAIL))).toBe("530 5.7.0 command");
    session.tls.secured(tls(null), 1);
    session.reset({ text: "client.example", extended: true });
    expect(said(session.mail(MAIL))).toBe("250 2.1.0 command");
  });
});

describe("RCPT", () => {
  const inTransaction = (given: Given = {}) => {
    const begun = greeted(given);
    expect(said(begun.session.mail(MAIL))).toBe("250 2.1.0 command");
    return begun;
  };

  it("is refused without MAIL", async () => {
    const { session } = greeted();
    expect(said(await session.rcpt(rcpt("x@a.example")))).toBe("503 5.5.1 command");
  });

  it.each([
    ["RCPT TO:<x@a.example>", "250 2.1.5 recipient"],
    ["RCPT TO:<x@A.EXAMPLE>", "250 2.1.5 recipient"],
    ["RCPT TO:<>", "501 5.1.3 command"],
    ["RCPT TO:<x@a.example", "501 5.1.3 command"],
    ["RCPT TO:<x@a.example> NOTIFY=NEVER", "555 5.5.4 command"],
    ["RCPT TO:<jörg@a.example>", "553 5.6.7 command"],
    ["RCPT TO:<x@other.example>", "550 5.7.1 recipient"],
    ["RCPT TO:<x@dedicated.example>", "550 5.7.1 recipient"],
    ["RCPT TO:<postmaster>", "550 5.1.1 recipient"],
  ])("is answered: %s → %s", async (text, expected) => {
    const { session, delivery } = inTransaction();
    expect(said(await session.rcpt(line(text)))).toBe(expected);
    expect(delivery.transactions).toHaveLength(expected.startsWith("250") ? 1 : 0);
  });

  it("reports the verdict and records it with the reply", async () => {
    const { session, events } = inTransaction();
    await session.rcpt(rcpt("x@a.example"));
    await session.rcpt(rcpt("x@other.example"));
    session.end(100);
    expect(events).toMatchObject([
      { kind: "verdict", listener: "smtp", outcome: "accept", reason: null },
      { kind: "verdict", listener: "smtp", outcome: "reject", reason: "relay-denied" },
      {
        kind: "session-ended",
        record: {
          helo: "client.example",
          senderDomain: "client.example",
          recipients: [
            { domain: "a.example", outcome: "accept", reply: "250 2.1.5" },
            { domain: "other.example", outcome: "reject", reply: "550 5.7.1" },
          ],
        },
      },
    ]);
  });

  it("sends bare postmaster to the operator on a shared listener and to the domain of a dedicated one", async () => {
    const shared = inTransaction({ postmaster: { localPart: "ops", domain: name("b.example") } });
    expect(said(await shared.session.rcpt(line("RCPT TO:<Postmaster>")))).toBe("250 2.1.5 recipient");
    expect(shared.delivery.transactions[0]?.recipients).toEqual([{ localPart: "ops", domain: "b.example" }]);
    const dedicated = inTransaction({
      connection: { listener: { name: "own", dedicatedTo: name("a.example") } },
    });
    expect(said(await dedicated.session.rcpt(line("RCPT TO:<postmaster>")))).toBe("250 2.1.5 recipient");
    expect(dedicated.delivery.transactions[0]?.recipients).toEqual([
      { localPart: "postmaster", domain: "a.example" },
    ]);
  });

  it("offers a mailbox that is named twice once, and no more of them than the limit", async () => {
    const { session, delivery, events } = inTransaction({ limits: { maxRecipients: 2 } });
    const answers = [];
    for (const address of ["x@a.example", "x@a.example", "y@a.example", "z@a.example"])
      answers.push(said(await session.rcpt(rcpt(address))));
    expect(answers).toEqual([
      ...Array.from({ length: 3 }, () => "250 2.1.5 recipient"),
      "452 4.5.3 recipient",
    ]);
    expect(delivery.transactions[0]?.recipients.map(({ localPart }) => localPart)).toEqual(["x", "y"]);
    expect(events.at(-1)).toEqual({ kind: "limit-hit", listener: "smtp", limit: "maxRecipients" });
  });

  it("defers a recipient whose route differs from those accepted", async () => {
    const { session, delivery } = inTransaction({
      routeOf: (domain) => parseOperatorDelivery(`maildir:/${domain.name}`),
    });
    expect(said(await session.rcpt(rcpt("x@a.example")))).toBe("250 2.1.5 recipient");
    expect(said(await session.rcpt(rcpt("x@b.example")))).toBe("452 4.5.3 recipient");
    expect(delivery.transactions).toHaveLength(1);
  });

  it("defers when the route cannot be told, and reports the error", async () => {
    const { session, kinds } = inTransaction({
      routeOf: () => {
        throw new Error("no route");
      },
    });
    expect(said(await session.rcpt(rcpt("x@a.example")))).toBe("451 4.3.5 recipient");
    expect(kinds()).toContain("internal-error");
  });

  it.each(["x%other.example@a.example", "other.example!x@a.example"])(
    "passes the route in %s to no next hop",
    async (address) => {
      const { session, delivery } = inTransaction({
        routeOf: () => parseOperatorDelivery("smtp://hop.example:25"),
      });
      expect(said(await session.rcpt(rcpt(address)))).toBe("550 5.1.3 recipient");
      expect(delivery.transactions).toEqual([]);
    },
  );

  it("passes on what the next hop answers, and reports it", async () => {
    const { session, delivery, events } = inTransaction();
    delivery.onRecipient = () => ({
      kind: "refused",
      code: 550,
      text: "5.1.1 no such user",
      cause: "passed-back",
    });
    expect(said(await session.rcpt(rcpt("x@a.example")))).toBe("550 5.1.1 recipient");
    expect(events.at(-1)).toMatchObject({
      kind: "delivery-failed",
      session: "s1",
      stage: "recipient",
      domains: ["a.example"],
      cause: "passed-back",
      reply: "550 5.1.1",
    });
  });
});

describe("a recipient whose chain is still being judged", () => {
  const STORE = trustStoreOf(trustStoreId(1), makeCa().rootPem);
  const settings: TestSettings = {
    domains: [
      domainRecord({
        name: "a.example",
        clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
        trustStoreIds: [trustStoreId(1)],
      }),
    ],
    trustStores: [STORE],
  };
  const VALID: ChainVerdict = {
    kind: "judged",
    valid: true,
    clientAuth: true,
    serverAuth: false,
    detail: null,
  };

  /** RCPT is under way, and its chain is with the verifier. */
  async function judging() {
    const asked = gate();
    const answer = gate();
    const chainVerifier: ClientChainVerifier = {
      available: true,
      async verify() {
        asked.open();
        await answer.opened;
        return VALID;
      },
    };
    const begun = begin({ settings, chainVerifier });
    begun.session.tls.secured(tls(PEER), 1);
    begun.session.reset({ text: "client.example", extended: true });
    begun.session.mail(MAIL);
    const reply = begun.session.rcpt(rcpt("x@a.example"));
    await asked.opened;
    return { ...begun, answer, reply };
  }

  it("is offered to the next hop once the chain is valid", async () => {
    const { answer, reply, delivery } = await judging();
    expect(delivery.transactions).toEqual([]);
    answer.open();
    expect(said(await reply)).toBe("250 2.1.5 recipient");
    expect(delivery.transactions).toMatchObject([{ recipients: [{ localPart: "x" }] }]);
  });

  it.each([
    ["the client leaves", null, false],
    ["the client says RSET or EHLO", { text: "client.example", extended: true }, false],
    ["the client begins another transaction", { text: "client.example", extended: true }, true],
  ])("is dropped, and nothing is begun at the next hop, when %s", async (_, greeting, again) => {
    const { session, answer, reply, delivery } = await judging();
    session.reset(greeting);
    if (again) expect(said(session.mail(MAIL))).toBe("250 2.1.0 command");
    answer.open();
    expect(said(await reply)).toBe("451 4.3.0 recipient");
    expect(delivery.transactions).toEqual([]);
    expect(shown(session.dataRefusal())).toBe("503 5.5.1 command");
  });
});

describe("DATA", () => {
  it("is refused without a transaction, without a recipient, and without an accepted one", async () => {
    const { session } = greeted();
    expect(shown(session.dataRefusal())).toBe("503 5.5.1 command");
    session.mail(MAIL);
    expect(session.dataRefusal()?.reply).toBe(REPLIES.needRecipient);
    await session.rcpt(rcpt("x@other.example"));
    expect(shown(session.dataRefusal())).toBe("554 5.5.1 nothing");
    await session.rcpt(rcpt("x@a.example"));
    expect(session.dataRefusal()).toBeNull();
  });

  it("is deferred while there is no room for the size that MAIL gave", async () => {
    const { session, budget, events } = greeted({ limits: { maxBytesInFlight: 100 } });
    session.mail(line("MAIL FROM:<a@client.example> SIZE=60"));
    await session.rcpt(rcpt("x@a.example"));
    budget.tryTake(41);
    expect(shown(session.dataRefusal())).toBe("452 4.3.1 command");
    expect(events.at(-1)).toEqual({ kind: "limit-hit", listener: "smtp", limit: "maxBytesInFlight" });
    budget.release(1);
    expect(session.dataRefusal()).toBeNull();
  });
});

describe("a message", () => {
  it("is delivered with our trace header, ends its transaction, and is numbered within the session", async () => {
    const { session, delivery } = greeted();
    for (const at of [1, 2]) {
      session.mail(MAIL);
      await session.rcpt(rcpt("x@a.example"));
      const { code, text } = await session.message(
        Readable.from([Buffer.from("Subject: hi\r\n\r\nbody\r\n")]),
      );
      expect([code, text]).toEqual([250, `2.0.0 Ok: s1.${at}`]);
      expect(session.inTransaction).toBe(false);
    }
    expect(delivery.messages.map(({ content }) => content)).toEqual([
      expect.stringMatching(/^Received: from client\.example [^]*Subject: hi\r\n\r\nbody\r\n$/u),
      expect.stringMatching(/^Received: /u),
    ]);
  });

  it("without a transaction is refused", async () => {
    const { session } = greeted();
    expect(await session.message(Readable.from([]))).toBe(REPLIES.needMail);
  });
});

describe("a reset", () => {
  it("aborts the delivery that was begun, and forgets the recipients", async () => {
    const { session, delivery } = greeted();
    session.mail(MAIL);
    await session.rcpt(rcpt("x@a.example"));
    session.reset({ text: "client.example", extended: true });
    expect(delivery.transactions).toMatchObject([{ aborted: true }]);
    expect(shown(session.dataRefusal())).toBe("503 5.5.1 command");
  });
});

describe("STARTTLS", () => {
  it.each([
    ["offered", "accept", true],
    ["withheld", "none", true],
    ["no-certificate", "accept", false],
  ] as const)("is %s at level %s with a usable certificate: %s", (offer, level, usable) => {
    const settings = { domains: [domainRecord({ name: "a.example", server: { level } })] };
    expect(greeted({ settings, usable: () => usable }).session.tls.offer()).toBe(offer);
  });

  it("is decided once, at the first greeting", async () => {
    const answers = [Promise.resolve(false), true];
    const { session } = greeted({ usable: () => answers.shift() ?? true });
    expect(await session.tls.offer()).toBe("no-certificate");
    expect(session.tls.offer()).toBe("no-certificate");
    expect(answers).toHaveLength(1);
  });

  it("is reported with protocol and certificate once the handshake is over", () => {
    const { session, events } = begin();
    session.tls.secured(tls(PEER), 12);
    expect(events).toEqual([
      {
        kind: "handshake",
        listener: "smtp",
        protocol: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        milliseconds: 12,
        asked: true,
        presented: true,
      },
    ]);
  });

  it.each([
    ["a host of the settings by its name", "mx.a.example", true, null, "mx.a.example"],
    ["another name as unknown", "mx.other.example", true, null, "unknown"],
    ["a name that is none as unknown", null, true, null, "unknown"],
    ["no name", null, false, null, null],
    ["the limit that passed", null, false, "handshakeMs", null],
  ] as const)("that fails is reported with %s", (_, sni, named, deadline, label) => {
    const settings = { domains: [domainRecord({ name: "a.example", mxHosts: ["mx.a.example"] })] };
    const { session, events } = begin({ settings });
    const why = deadline === null ? "alert" : "timeout";
    const asked = sni === null ? null : name(sni);
    session.tls.failed({ kind: "failed", why, deadline, sni: asked, named, offered: null, code: null });
    session.end(9);
    expect(events[0]).toMatchObject({ kind: "handshake-failed", session: "s1", why, sni: label });
    expect(events.slice(1, -1)).toEqual(
      deadline === null ? [] : [{ kind: "limit-hit", listener: "smtp", limit: deadline }],
    );
    expect(events.at(-1)).toMatchObject({
      record: { end: deadline === null ? "handshake-failed" : "limit", limit: deadline },
    });
  });
});

describe("the end of a session", () => {
  it.each([
    [0, true],
    [1, false],
  ])("after %d octets is reported as silent: %s", (octets, silent) => {
    const { session, events } = begin();
    session.end(octets);
    expect(events).toMatchObject([
      { kind: "session-ended", silent, record: { id: "s1", end: "client-left" } },
    ]);
  });

  it("of a health check is not recorded", () => {
    const { session, events } = begin({ connection: { isHealthCheck: true } });
    session.end(100);
    expect(events).toEqual([]);
  });
});

const PEER: PeerCertificate = {
  chain: [new Uint8Array([1])],
  spkiPin: "sha256//leaf",
  notBefore: NOW - 1_000,
  notAfter: NOW + 1_000,
  dnsNames: ["client.example"],
  fingerprintSha256: "aa",
  subjectName: "client.example",
  handshake: { trustHash: null, ok: false, code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" },
};

function tls(peer: PeerCertificate | null): TlsFacts {
  return { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", sni: null, asked: true, peer };
}
