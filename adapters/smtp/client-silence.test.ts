import { expect, it } from "vitest";
import { SILENCES } from "../../test/support/client-silence.ts";
import { startFakeNextHop } from "../../test/support/fake-next-hop.ts";
import {
  createTarget,
  domain,
  hopTls,
  messageOf,
  plainMail,
  roomyLimits,
} from "../../test/support/next-hop-delivery.ts";
import { parseOperatorDelivery } from "../../core/delivery/route.ts";

type Name = keyof typeof roomyLimits;

/** Limits that count how often each is asked for. */
function countedLimits() {
  const asked: Record<Name, number> = { ...NOTHING };
  const limits = new Proxy(roomyLimits, {
    get: (target, name: Name) => {
      asked[name] += 1;
      return target[name];
    },
  });
  /** Counts since the last call. */
  const take = (): Readonly<Record<Name, number>> => {
    const counts = { ...asked };
    Object.assign(asked, NOTHING);
    return counts;
  };
  return { limits, take };
}

const NOTHING: Readonly<Record<Name, number>> = { nextHopConnectMs: 0, nextHopReplyMs: 0, nextHopDotMs: 0 };

it("a client waits for as many limits of a next hop as the table of silences says", async () => {
  const hop = await startFakeNextHop({
    tls: hopTls,
    extensions: ["STARTTLS"],
    extensionsInTls: ["AUTH PLAIN", "XFORWARD NAME ADDR HELO"],
  });
  const { limits, take } = countedLimits();
  const target = createTarget({ limits });
  try {
    const route = parseOperatorDelivery(`smtp://user:password@hop.example:${String(hop.port)}`);
    const mail = target.begin(route, plainMail);
    expect(await mail.recipient({ localPart: "a", domain })).toEqual({ kind: "accepted" });
    const first = take();
    expect(await mail.message(messageOf("Subject: x\r\n\r\nhello\r\n"))).toEqual({ kind: "accepted" });
    const last = take();
    const expected = (phase: "first recipient" | "reply to the dot") =>
      Object.fromEntries(Object.keys(NOTHING).map((name) => [name, SILENCES[name as Name][phase] ?? 0]));
    expect(first).toEqual(expected("first recipient"));
    expect(last).toEqual(expected("reply to the dot"));
  } finally {
    await target.close();
    await hop.close();
  }
});
