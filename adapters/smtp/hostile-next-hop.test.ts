import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import type { DeliveryPhase, DeliveryReply } from "../../core/delivery/delivery.ts";
import { untilIdle } from "../../test/support/event-loop.ts";
import { DROP, type FakeNextHopOptions, HANG, type Step } from "../../test/support/fake-next-hop.ts";
import { attempt, hopTls, messageOf, roomyLimits, said } from "../../test/support/next-hop-delivery.ts";

const UNREACHABLE = "451 4.4.1 The next hop could not be reached, try again later";
const BROKEN = "451 4.4.2 The connection to the next hop failed, try again later";
/**
 * For a next hop that is silent at one point, and answers in time at those before it though the machine is
 * busy.
 */
const shortLimits = { nextHopConnectMs: 500, nextHopReplyMs: 500, nextHopDotMs: 500 } as const;

const IN_MESSAGE = "a point in the message";

/** Every point at which a next hop speaks, with the phase that log and metrics tell. */
const phases: readonly (readonly [string, (step: Step) => FakeNextHopOptions, DeliveryPhase])[] = [
  ["greeting", (step) => ({ greeting: step }), "greeting"],
  ["EHLO", (step) => ({ ehlo: step }), "hello"],
  ["STARTTLS", (step) => ({ extensions: ["STARTTLS"], starttls: step }), "starttls"],
  ["XFORWARD", (step) => ({ extensions: ["XFORWARD ADDR"], xforward: step }), "mail"],
  ["MAIL", (step) => ({ mail: step }), "mail"],
  ["RCPT", (step) => ({ rcpt: () => step }), "recipient"],
  ["DATA", (step) => ({ data: step }), "data"],
  [IN_MESSAGE, (step) => ({ duringData: { octets: 5, step } }), "message"],
  ["the dot", (step) => ({ dot: () => step }), "dot"],
];

/** What the client hears in the end, and whether the next hop has a message that was acknowledged. */
async function outcome(
  hop: FakeNextHopOptions,
  limits = roomyLimits as typeof shortLimits | typeof roomyLimits,
): Promise<string> {
  return said(await lastReply(hop, limits));
}

async function lastReply(
  hop: FakeNextHopOptions,
  limits: typeof shortLimits | typeof roomyLimits,
): Promise<DeliveryReply | undefined> {
  const { recipients, message } = await attempt({ hop, target: { limits } });
  return message ?? recipients[0];
}

describe.each(phases)("a next hop that at %s", (phase, at, told) => {
  it("closes the connection leads to 451, never to a bounce", async () => {
    const reply = await lastReply(at(DROP), roomyLimits);
    expect(said(reply)).toBe(`${BROKEN} (dropped)`);
    // In the middle of a short message the client is at the dot by then.
    expect(reply).toMatchObject({ phase: phase === IN_MESSAGE ? expect.any(String) : told });
  });

  it.each([
    ["no SMTP", "\x16\x03\x01"],
    ["HTTP", "HTTP/1.1 400 Bad Request"],
    ["lines whose codes differ", "250-a\r\n550 b"],
    ["a line that is too long", `250 ${"x".repeat(5000)}`],
    ["a reply of 10 MB", `${"250-xxxxxxxx\r\n".repeat(750_000)}250 x`],
    ["10 MB without a line end", "2".repeat(10_000_000)],
  ])("speaks %s leads to 451", async (_, text) => {
    expect(await outcome(at(text))).toMatch(/^451 4\.4\.[12] .* \((?:protocol|dropped)\)$/);
  });

  it("answers 530 leads to 451: it is between the next hop and us", async () => {
    // In the message it is an answer to nothing, unless the dot is out already.
    const expected =
      phase === IN_MESSAGE
        ? /^451 4\.4\.[12] .* \((?:protocol|auth-refused)\)$/
        : /^451 4\.4\.1 .* \((?:auth|greeting|starttls)-refused\)$/;
    expect(await outcome(at("530 5.7.0 Authentication required"))).toMatch(expected);
  });
});

// In the middle of the message it is our turn to speak.
describe.each(phases.filter(([phase]) => phase !== IN_MESSAGE))("a next hop that at %s", (_, at, phase) => {
  it("sends nothing is left after the time of its phase, and the phase is reported", async () => {
    const reply = await lastReply(at(HANG), shortLimits);
    expect(said(reply)).toBe(`${BROKEN} (timeout)`);
    expect(reply).toMatchObject({ phase });
  });

  it("drips one octet after the other gains no time", async () => {
    const drip = (socket: Socket): void => {
      const timer = setInterval(() => socket.write("2"), 20);
      socket.on("close", () => {
        clearInterval(timer);
      });
    };
    // An octet that gained time would keep the next hop connected for as long as it drips.
    expect(await outcome(at(drip), shortLimits)).toBe(`${BROKEN} (timeout)`);
  });
});

describe("a next hop that refuses us before MAIL", () => {
  it.each([
    ["with its greeting", { greeting: "554 5.7.1 go away" }, "greeting-refused"],
    ["with 421 as its greeting", { greeting: "421 4.3.2 later" }, "greeting-refused"],
    ["at EHLO", { ehlo: "550 5.7.1 bad name" }, "greeting-refused"],
    ["at STARTTLS", { extensions: ["STARTTLS"], starttls: "454 4.7.0 not now" }, "starttls-refused"],
    ["with a greeting of another kind", { greeting: "250 hello" }, "protocol"],
  ] as const)("%s leads to 451 for every recipient, over one connection", async (_, hop, cause) => {
    const { recipients, hop: fake } = await attempt({ hop, localParts: ["a", "b", "c"] });
    expect(recipients.map((reply) => said(reply))).toEqual(
      Array.from({ length: 3 }, () => `${UNREACHABLE} (${cause})`),
    );
    expect(fake.connections).toBe(1);
  });
});

describe("a next hop that answers what was not asked", () => {
  it.each([
    ["twice to RCPT, once for DATA", { rcpt: "250 ok\r\n354 go" }],
    ["354 and then 250 before it has the message", { data: "354 go\r\n250 2.0.0 got it" }],
    ["250 in the middle of the message", { duringData: { octets: 5, step: "250 2.0.0 got it" } }],
    ["250 to DATA", { data: "250 ok" }],
    ["354 to RCPT", { rcpt: "354 go" }],
    ["354 to MAIL", { mail: "354 go" }],
    ["354 to the dot", { dot: "354 more" }],
  ])("%s is not believed", async (_, hop) => {
    // The pause lets what was sent with the 354 arrive before the dot goes out.
    const message = async function* () {
      yield Buffer.from("Subject: x\r\n\r\n");
      await untilIdle();
      yield Buffer.from("hello\r\n");
    };
    const { recipients, message: reply } = await attempt({ hop, message: message() });
    expect(said(reply ?? recipients[0])).toBe(`${BROKEN} (protocol)`);
  });

  it("to an LMTP message before its end is not believed, not even a refusal", async () => {
    const hop = { lmtp: true, duringData: { octets: 5, step: "550 5.7.1 no" } };
    const message = async function* () {
      yield Buffer.from("Subject: x\r\n\r\n");
      await untilIdle();
      yield Buffer.from("hello\r\n");
    };
    const result = await attempt({ route: "lmtp://127.0.0.1:PORT", hop, message: message() });
    expect(said(result.message)).toBe(`${BROKEN} (protocol)`);
  });

  it("for fewer recipients than LMTP has leads to 451 in time", async () => {
    const hop: FakeNextHopOptions = {
      lmtp: true,
      dot: (address) => (address.startsWith("a") ? "250 ok" : HANG),
    };
    const options = {
      route: "lmtp://127.0.0.1:PORT",
      hop,
      localParts: ["a", "b"],
      target: { limits: shortLimits },
    };
    expect(said((await attempt(options)).message)).toBe(`${BROKEN} (timeout)`);
  });
});

describe("a next hop that takes no more octets of a message", () => {
  it("is left in time, and little of the message was read until then", async () => {
    let read = 0;
    const message = async function* () {
      for (; read < 50_000_000; read += 65_536) yield await Promise.resolve(Buffer.alloc(65_536, "x\r\n"));
    };
    const hop: FakeNextHopOptions = { duringData: { octets: 1, step: (socket) => socket.pause() } };
    const { message: reply } = await attempt({
      hop,
      message: message(),
      awaitsClose: false,
      target: { limits: shortLimits },
    });
    expect(said(reply)).toBe(`${BROKEN} (timeout)`);
    // What the kernel's buffers on both sides hold.
    expect(read).toBeLessThan(20_000_000);
  });

  it("is not fed without end when half a reply came before", async () => {
    let read = 0;
    const message = async function* () {
      for (; read < 50_000_000; read += 65_536) yield await Promise.resolve(Buffer.alloc(65_536, "x\r\n"));
    };
    const step = (socket: Socket): void => {
      socket.write("2");
      socket.pause();
    };
    const { message: reply } = await attempt({
      hop: { duringData: { octets: 1, step } },
      message: message(),
      awaitsClose: false,
      target: { limits: shortLimits },
    });
    expect(said(reply)).toBe(`${BROKEN} (timeout)`);
    expect(read).toBeLessThan(20_000_000);
  });
});

describe("a next hop that is not there", () => {
  it.each([
    ["no process listens", () => Promise.resolve(["127.0.0.1"]), "connection-refused"],
    ["no process listens there", () => Promise.resolve(["127.0.0.1", "::1"]), "connection-refused"],
    [
      "the name does not resolve",
      () => Promise.reject(Object.assign(new Error("x"), { code: "ENOTFOUND" })),
      "lookup-failed",
    ],
    ["the name server is silent", () => new Promise<never>(() => undefined), "timeout"],
    ["the name has no address", () => Promise.resolve([]), "lookup-failed"],
  ])("because %s leads to 451", async (_, lookup, cause) => {
    const { recipients } = await attempt({
      route: "smtp://hop.example:1",
      target: { lookup, limits: shortLimits },
    });
    expect(said(recipients[0])).toMatch(new RegExp(`^451 4\\.4\\.1 .*\\(${cause}\\)$`));
  });
});

describe("bytes behind the 220 of STARTTLS", () => {
  it.each([
    ["a whole reply", "250 injected"],
    ["half a reply", "2"],
  ])("that are %s end the connection, since TLS would make them look protected", async (_, injected) => {
    const starttls = `220 go\r\n${injected}`;
    for (const route of ["smtp://hop.example:PORT?tls=require", "smtp://127.0.0.1:PORT"]) {
      const { recipients, hop } = await attempt({
        route,
        hop: { tls: hopTls, extensions: ["STARTTLS"], starttls },
        message: messageOf("x"),
      });
      expect(said(recipients[0])).toBe(`${BROKEN} (protocol)`);
      expect(hop.commands).toEqual(["EHLO mx.postern.example", "STARTTLS"]);
    }
  });
});
