import { describe, expect, it } from "vitest";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";
import {
  type DeliveryUnderTest,
  deliveryTargetContract,
} from "../../test/contract/delivery-target.contract.ts";
import { type FakeNextHopOptions, HANG, startFakeNextHop } from "../../test/support/fake-next-hop.ts";
import {
  attempt,
  createTarget,
  domain,
  hopTls,
  messageOf,
  plainMail,
  said,
} from "../../test/support/next-hop-delivery.ts";

const contractCases: readonly (readonly [string, string, FakeNextHopOptions])[] = [
  ["smtp, plaintext", "smtp://127.0.0.1:PORT", {}],
  ["smtp, STARTTLS", "smtp://hop.example:PORT", { tls: hopTls, extensions: ["STARTTLS"] }],
  ["smtps", "smtps://hop.example:PORT", { tls: hopTls, implicitTls: true }],
  ["lmtp", "lmtp://127.0.0.1:PORT", { lmtp: true }],
];

for (const [name, url, options] of contractCases) {
  deliveryTargetContract({
    name,
    create: async (): Promise<DeliveryUnderTest> => {
      const hop = await startFakeNextHop(options);
      return {
        target: createTarget(),
        route: parseOperatorDelivery(url.replace("PORT", String(hop.port))),
        delivered: () =>
          Promise.resolve(
            hop.mails.map(({ reversePath, recipients, content }) => ({ reversePath, recipients, content })),
          ),
        dispose: () => hop.close(),
      };
    },
  });
}

describe("a transaction that is passed through", () => {
  it("offers each recipient in turn, and says only what the client said and the next hop offers", async () => {
    const { hop, recipients, message } = await attempt({
      hop: {
        extensions: ["SIZE 1000", "8BITMIME", "SMTPUTF8", "XFORWARD NAME ADDR HELO"],
        rcpt: (address) => (address.startsWith("b") ? "550 5.1.1 no b here" : "250 ok"),
      },
      parameters: { size: 1000, body: "8BITMIME", smtpUtf8: true },
      localParts: ["a", "b", "c"],
    });
    expect(hop.commands).toEqual([
      "EHLO mx.postern.example",
      "XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.7 HELO=client.example",
      "MAIL FROM:<sender@client.example> SIZE=1000 BODY=8BITMIME SMTPUTF8",
      "RCPT TO:<a@example.com>",
      "RCPT TO:<b@example.com>",
      "RCPT TO:<c@example.com>",
      "DATA",
      "QUIT",
    ]);
    expect(recipients.map((reply) => said(reply))).toEqual([
      "accepted",
      "550 5.1.1 no b here (passed-back)",
      "accepted",
    ]);
    expect(said(message)).toBe("accepted");
    expect(hop.mails[0]?.recipients).toEqual(["a@example.com", "c@example.com"]);
  });

  it("says LHLO to LMTP, and leaves out parameters that are not offered", async () => {
    const { hop } = await attempt({
      hop: { lmtp: true, extensions: [] },
      route: "lmtp://127.0.0.1:PORT",
      parameters: { size: 5, body: "7BIT" },
    });
    expect(hop.commands.slice(0, 2)).toEqual([
      "LHLO mx.postern.example",
      "MAIL FROM:<sender@client.example>",
    ]);
  });

  it("goes on when the next hop offers XFORWARD and refuses it", async () => {
    const { message } = await attempt({
      hop: { extensions: ["XFORWARD ADDR"], xforward: "550 5.7.1 not you" },
    });
    expect(said(message)).toBe("accepted");
  });

  it("is refused for a recipient who hides another destination, to SMTP and not to LMTP", async () => {
    const localParts = ["a%other.example", "other.example!a", '"a@other.example"'];
    const smtp = await attempt({ localParts });
    expect(smtp.recipients.map((reply) => said(reply))).toEqual(
      localParts.map(() => "550 5.1.3 This address cannot be passed on (message)"),
    );
    expect(smtp.hop.connections).toBe(0);
    const lmtp = await attempt({ localParts, hop: { lmtp: true }, route: "lmtp://127.0.0.1:PORT" });
    expect(lmtp.recipients.map(({ kind }) => kind)).toEqual(["accepted", "accepted", "accepted"]);
  });

  it("uses one connection, and has it closed when it is over", async () => {
    const { hop } = await attempt({ localParts: ["a", "b"] });
    expect([hop.connections, hop.open]).toEqual([1, 0]);
  });
});

describe("a next hop that knows no EHLO", () => {
  const HELLO = ["EHLO mx.postern.example", "HELO mx.postern.example"];
  const REFUSED = "451 4.4.1 The next hop could not be reached, try again later (greeting-refused)";

  it.each(["500 5.5.1 what", "501 syntax", "502 5.5.1 not here", "504 no"])(
    "is sent HELO after %s",
    async (ehlo) => {
      const { hop, message } = await attempt({ hop: { ehlo }, parameters: { size: 30, body: "7BIT" } });
      expect(said(message)).toBe("accepted");
      expect(hop.commands).toEqual([
        ...HELLO,
        "MAIL FROM:<sender@client.example>",
        "RCPT TO:<a@example.com>",
        "DATA",
        "QUIT",
      ]);
    },
  );

  it.each([
    ["smtps", "smtps://hop.example:PORT", { tls: hopTls, implicitTls: true }],
    ["a next hop that may be plaintext", "smtp://hop.example:PORT?tls=opportunistic", {}],
  ])("is sent HELO over %s", async (_, route, hop) => {
    const { hop: fake, message } = await attempt({ hop: { ...hop, ehlo: "500 what" }, route });
    expect([said(message), ...fake.commands.slice(0, 2)]).toEqual(["accepted", ...HELLO]);
  });

  it("is left alone after any other reply, and when it refuses HELO too", async () => {
    for (const ehlo of ["550 5.7.1 bad name", "421 4.3.2 later", "450 later", "503 5.5.1 wait"]) {
      const { hop, recipients } = await attempt({ hop: { ehlo } });
      expect([said(recipients[0]), ...hop.commands]).toEqual([REFUSED, HELLO[0], "QUIT"]);
    }
    const { hop, recipients } = await attempt({ hop: { ehlo: "500 what", helo: "550 5.7.1 no" } });
    expect([said(recipients[0]), ...hop.commands]).toEqual([REFUSED, ...HELLO, "QUIT"]);
  });

  it.each([
    ["TLS is required", "smtp://hop.example:PORT", {}, {}],
    ["there are credentials", "smtps://u:p@hop.example:PORT", { tls: hopTls, implicitTls: true }, {}],
    ["it is LMTP", "lmtp://127.0.0.1:PORT", { lmtp: true }, {}],
    ["the message is BODY=8BITMIME", undefined, {}, { body: "8BITMIME" }],
    ["an address needs SMTPUTF8", undefined, {}, { smtpUtf8: true }],
    ["the message is REQUIRETLS", undefined, {}, { requireTls: true }],
  ] as const)("is not sent HELO when %s", async (_, route, hop, parameters) => {
    const sent = await attempt({
      hop: { ...hop, ehlo: "502 5.5.1 not here" },
      parameters,
      ...(route === undefined ? {} : { route }),
    });
    expect(said(sent.recipients[0])).toBe(REFUSED);
    expect(sent.hop.commands.filter((line) => line.startsWith("HELO"))).toEqual([]);
    expect(sent.hop.mails).toEqual([]);
  });
});

describe("what the next hop says is passed back as it is", () => {
  it.each([
    [
      "to MAIL, for each recipient",
      { mail: "550 5.7.1 not from you" },
      ["550 5.7.1 not from you (passed-back)", "550 5.7.1 not from you (passed-back)"],
      "nothing",
    ],
    [
      "to MAIL with 421",
      { mail: "421 4.3.2 later" },
      ["451 4.3.2 later (passed-back)", "451 4.3.2 later (passed-back)"],
      "nothing",
    ],
    [
      "to RCPT with 4xx",
      { rcpt: "450 4.2.1 full" },
      ["450 4.2.1 full (passed-back)", "450 4.2.1 full (passed-back)"],
      "nothing",
    ],
    [
      "to RCPT in two lines",
      { rcpt: "550-5.1.1 no\r\n550 5.1.1 such user" },
      ["550 5.1.1 no such user (passed-back)", "550 5.1.1 no such user (passed-back)"],
      "nothing",
    ],
    ["to RCPT with 251", { rcpt: "251 2.1.5 forwarded" }, ["accepted", "accepted"], "accepted"],
    [
      "by codes without text (RFC 5321 section 4.2)",
      { greeting: "220", ehlo: "250", mail: "250", rcpt: "250", data: "354", dot: "250" },
      ["accepted", "accepted"],
      "accepted",
    ],
    [
      "in several lines everywhere",
      {
        greeting: "220-hi\r\n220-this is\r\n220 me",
        mail: "250-a\r\n250 b",
        rcpt: "250-a\r\n250",
        data: "354-go\r\n354 on",
        dot: "250-x\r\n250 y",
      },
      ["accepted", "accepted"],
      "accepted",
    ],
    [
      "to the dot, and ends the connection by itself",
      { dot: "250 2.0.0 ok\r\n421 4.4.2 bye" },
      ["accepted", "accepted"],
      "accepted",
    ],
    ["to DATA", { data: "554 5.5.1 no" }, ["accepted", "accepted"], "554 5.5.1 no (passed-back)"],
    ["to DATA with 421", { data: "421 no" }, ["accepted", "accepted"], "451 4.0.0 no (passed-back)"],
    [
      "to the dot with 5xx",
      { dot: "554 5.7.1 spam" },
      ["accepted", "accepted"],
      "554 5.7.1 spam (passed-back)",
    ],
    [
      "to the dot with 4xx",
      { dot: "452 4.3.1 full" },
      ["accepted", "accepted"],
      "452 4.3.1 full (passed-back)",
    ],
    [
      "to the dot with 421",
      { dot: "421 4.3.2 bye" },
      ["accepted", "accepted"],
      "451 4.3.2 bye (passed-back)",
    ],
  ])("%s", async (_, hop, recipients, message) => {
    const result = await attempt({ hop, localParts: ["a", "b"] });
    expect([result.recipients.map((reply) => said(reply)), said(result.message)]).toEqual([
      recipients,
      message,
    ]);
  });

  it("before the end of the message too, and then nothing more is sent", async () => {
    const endless = async function* () {
      for (;;) yield await Promise.resolve(Buffer.from("x\r\n".repeat(1000)));
    };
    const { message, hop } = await attempt({
      hop: { duringData: { octets: 10_000, step: "552 5.3.4 too big" } },
      message: endless(),
    });
    expect(said(message)).toBe("552 5.3.4 too big (passed-back)");
    expect(hop.mails).toEqual([]);
  });
});

describe("the answers of an LMTP server after the dot", () => {
  const lmtp = (dot: (address: string) => string) =>
    attempt({
      route: "lmtp://127.0.0.1:PORT",
      hop: { lmtp: true, dot, rcpt: (address) => (address.startsWith("no") ? "550 5.1.1 no" : "250 ok") },
      localParts: ["a", "no", "b", "c"],
    });

  it.each([
    ["all 2xx", {}, "accepted"],
    [
      "one 4xx",
      { b: "450 4.2.1 busy" },
      "451 4.2.0 Not delivered to every recipient, try again later (passed-back)",
    ],
    [
      "one 4xx, one 5xx",
      { a: "550 no", b: "450 busy" },
      "451 4.2.0 Not delivered to every recipient, try again later (passed-back)",
    ],
    ["one 5xx", { b: "550 5.2.1 no" }, "554 5.0.0 Not delivered to b@example.com (passed-back)"],
    [
      "two 5xx",
      { a: "550 no", c: "552 big" },
      "554 5.0.0 Not delivered to a@example.com, c@example.com (passed-back)",
    ],
  ] as const)("with %s come to one reply", async (_, answers: Readonly<Record<string, string>>, expected) => {
    const { message } = await lmtp((address) => answers[address.split("@")[0] ?? ""] ?? "250 ok");
    expect(said(message)).toBe(expected);
  });
});

describe("what a next hop cannot do", () => {
  it.each([
    ["8BITMIME", { extensions: ["SMTPUTF8"] }, { body: "8BITMIME" }, "550 5.6.3 ", "extension-missing"],
    ["SMTPUTF8", { extensions: ["8BITMIME"] }, { smtpUtf8: true }, "550 5.6.7 ", "extension-missing"],
    ["this SIZE", { extensions: ["SIZE 999"] }, { size: 1000 }, "552 5.3.4 ", "extension-missing"],
    [
      "REQUIRETLS in plaintext",
      { extensions: ["REQUIRETLS"] },
      { requireTls: true },
      "550 5.7.30 ",
      "starttls-missing",
    ],
  ] as const)(
    "%s is refused at RCPT, and nothing was said of the mail",
    async (_, hop, parameters, expected, cause) => {
      const { recipients, hop: fake } = await attempt({ hop, parameters });
      expect(said(recipients[0])).toContain(expected);
      expect(said(recipients[0])).toContain(`(${cause})`);
      expect(fake.commands).toEqual(["EHLO mx.postern.example", "QUIT"]);
    },
  );

  it.each([
    [{ extensions: ["SIZE"] }, { size: 1000 }],
    [{ extensions: ["SIZE 0"] }, { size: 1000 }],
    [{ extensions: ["SIZE 1000"] }, { size: 1000 }],
    [{ extensions: [] }, { body: "7BIT" }],
  ] as const)("is not assumed: with %j, %j passes", async (hop, parameters) => {
    expect(said((await attempt({ hop, parameters })).message)).toBe("accepted");
  });
});

describe("a client that is lost", () => {
  it("in the middle of the message leaves nothing that the next hop could take for one", async () => {
    const broken = async function* () {
      yield* messageOf("Subject: x\r\n\r\nhalf\r\n");
      await Promise.resolve();
      throw new Error("aborted");
    };
    const { message, hop } = await attempt({ message: broken() });
    expect(said(message)).toBe("451 4.3.0 The message did not arrive whole (message)");
    expect([hop.mails.length, hop.commands.at(-1)]).toEqual([0, "DATA"]);
  });

  it("while the next hop is silent has its connection closed at once", async () => {
    const hop = await startFakeNextHop({ rcpt: () => HANG });
    const target = createTarget();
    const mail = target.begin(parseOperatorDelivery(`smtp://127.0.0.1:${String(hop.port)}`), plainMail);
    const answer = mail.recipient({ localPart: "a", domain });
    while (hop.commands.length < 3) await new Promise((resolve) => setImmediate(resolve));
    mail.abort();
    expect(said(await answer)).toBe(
      "451 4.4.2 The connection to the next hop failed, try again later (message)",
    );
    await hop.allClosed();
    await hop.close();
  });
});

describe("a transaction that is aborted before there is a connection", () => {
  it("has it closed before a word was said", async () => {
    const hop = await startFakeNextHop();
    let resolveLookup: (addresses: readonly string[]) => void = () => undefined;
    const lookup = () =>
      new Promise<readonly string[]>((resolve) => {
        resolveLookup = resolve;
      });
    const target = createTarget({ lookup });
    const mail = target.begin(parseOperatorDelivery(`smtp://hop.example:${String(hop.port)}`), plainMail);
    const answer = mail.recipient({ localPart: "a", domain });
    mail.abort();
    resolveLookup(["127.0.0.1"]);
    expect(said(await answer)).toContain("(message)");
    await hop.allClosed();
    expect(hop.commands).toEqual([]);
    await hop.close();
  });
});

describe("a target that is closed", () => {
  it("ends the connections it has and those that were on their way", async () => {
    const hop = await startFakeNextHop({ greeting: HANG });
    const target = createTarget();
    const mail = target.begin(parseOperatorDelivery(`smtp://127.0.0.1:${String(hop.port)}`), plainMail);
    const answer = mail.recipient({ localPart: "a", domain });
    while (hop.connections === 0) await new Promise((resolve) => setImmediate(resolve));
    await target.close();
    expect(said(await answer)).toContain("(dropped)");
    const late = target.begin(parseOperatorDelivery(`smtp://127.0.0.1:${String(hop.port)}`), plainMail);
    expect(said(await late.recipient({ localPart: "a", domain }))).toContain("(dropped)");
    await hop.close();
  });
});
