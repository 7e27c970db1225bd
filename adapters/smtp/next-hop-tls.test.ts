import { generateKeyPairSync } from "node:crypto";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { NOTHING_ALLOWED, parseDeliveryAllow } from "../../core/delivery/delivery-allow.ts";
import { parseApiDelivery } from "../../core/delivery/route.ts";
import { EKU, extKeyUsage } from "../../test/support/certificate-writer.ts";
import { DROP, type FakeNextHopOptions, startFakeNextHop } from "../../test/support/fake-next-hop.ts";
import {
  attempt,
  createTarget,
  domain,
  hopTls,
  messageOf,
  plainMail,
  said,
} from "../../test/support/next-hop-delivery.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";

const UNREACHABLE = "451 4.4.1 The next hop could not be reached, try again later";
const NO_REQUIRETLS = "550 5.7.30 The next hop cannot do verified TLS with REQUIRETLS";

const trusted = makeCa();
const trust = { ca: [trusted.rootPem] };
const DAY_MS = 86_400_000;
const tlsOf = (issued: ReturnType<typeof issueServer>) => ({
  key: issued.privateKeyPem,
  cert: issued.bundlePem,
});
const startTls = (
  tls: FakeNextHopOptions["tls"],
  more: Partial<FakeNextHopOptions> = {},
): FakeNextHopOptions =>
  tls === undefined ? { extensions: [], ...more } : { tls, extensions: ["STARTTLS"], ...more };

const goodTls = tlsOf(issueServer({ names: ["hop.example"], ca: trusted }));
const badCertificates = [
  [
    "from a CA that is not trusted",
    tlsOf(issueServer({ names: ["hop.example"], ca: makeCa() })),
    "certificate-untrusted",
  ],
  ["that signed itself", tlsOf(issueServer({ names: ["hop.example"] })), "certificate-untrusted"],
  [
    "for another name",
    tlsOf(issueServer({ names: ["other.example"], ca: trusted })),
    "certificate-name-mismatch",
  ],
  [
    "whose wildcard reaches too far",
    tlsOf(issueServer({ names: ["*.example.com", "*.hop.example"], ca: trusted })),
    "certificate-name-mismatch",
  ],
  [
    "that expired",
    tlsOf(
      issueServer({
        names: ["hop.example"],
        ca: trusted,
        notBefore: new Date(Date.now() - 9 * DAY_MS),
        notAfter: new Date(Date.now() - DAY_MS),
      }),
    ),
    "certificate-expired",
  ],
  [
    "that is not valid yet",
    tlsOf(issueServer({ names: ["hop.example"], ca: trusted, notBefore: new Date(Date.now() + DAY_MS) })),
    "certificate-expired",
  ],
  [
    "for clients only",
    tlsOf(issueServer({ names: ["hop.example"], ca: trusted, purposes: [EKU.clientAuth] })),
    "certificate-untrusted",
  ],
  [
    "with the name only as its common name",
    tlsOf(
      issueServer({
        names: ["hop.example"],
        subject: "hop.example",
        ca: trusted,
        extensions: [extKeyUsage(EKU.serverAuth)],
      }),
    ),
    "certificate-name-mismatch",
  ],
] as const;

/** Says that TLS may begin, and then hears nothing more. */
function silent(socket: Socket): void {
  socket.removeAllListeners("data");
  socket.write("220 go\r\n");
}

describe("a route with tls=require", () => {
  it.each(["smtp://hop.example:PORT?tls=require", "lmtp://hop.example:PORT"])(
    "%s begins TLS, asks for the name, says EHLO again, and delivers",
    async (route) => {
      const lmtp = route.startsWith("lmtp");
      const { hop, message } = await attempt({ route, target: trust, hop: startTls(goodTls, { lmtp }) });
      expect(said(message)).toBe("accepted");
      const hello = `${lmtp ? "LHLO" : "EHLO"} mx.postern.example`;
      expect(hop.commands.slice(0, 3)).toEqual([hello, "STARTTLS", hello]);
      expect([hop.mails[0]?.isEncrypted, hop.serverNames]).toEqual([true, ["hop.example"]]);
    },
  );

  it("begins smtps with TLS, and never says STARTTLS inside", async () => {
    const hop = { tls: goodTls, implicitTls: true, extensions: ["STARTTLS"] };
    const { hop: fake, message } = await attempt({ route: "smtps://hop.example:PORT", target: trust, hop });
    expect([said(message), fake.commands.includes("STARTTLS"), fake.mails[0]?.isEncrypted]).toEqual([
      "accepted",
      false,
      true,
    ]);
  });

  it.each(badCertificates)(
    "sends nothing to a certificate %s, and says which fault it is",
    async (_, tls, cause) => {
      for (const [route, hop] of [
        ["smtp://hop.example:PORT?tls=require", startTls(tls)],
        ["smtps://hop.example:PORT?tls=require", { tls, implicitTls: true }],
      ] as const) {
        const { recipients, hop: fake } = await attempt({ route, target: trust, hop });
        expect(said(recipients[0])).toBe(`${UNREACHABLE} (${cause})`);
        expect(recipients[0]).toMatchObject({ phase: "tls" });
        expect(fake.commands.some((line) => line.startsWith("MAIL"))).toBe(false);
      }
    },
  );

  it.each([
    ["does not offer STARTTLS", startTls(undefined), "starttls-missing"],
    ["refuses it", startTls(goodTls, { starttls: "454 4.7.0 not now" }), "starttls-refused"],
    [
      "takes no TLS after it",
      { extensions: ["STARTTLS"], starttls: (socket) => socket.end("220 go\r\n") },
      "tls-failed",
    ],
    [
      "speaks something else after it",
      {
        extensions: ["STARTTLS"],
        starttls: (socket) =>
          socket.write("220 go\r\n", () => socket.once("data", () => socket.write("250 what\r\n"))),
      },
      "tls-failed",
    ],
  ] as const satisfies readonly (readonly [string, FakeNextHopOptions, string])[])(
    "sends nothing when the next hop %s",
    async (_, hop, cause) => {
      const { recipients, hop: fake } = await attempt({
        route: "smtp://hop.example:PORT?tls=require",
        target: trust,
        hop,
      });
      expect(said(recipients[0])).toBe(`${UNREACHABLE} (${cause})`);
      expect(fake.commands.some((line) => line.startsWith("MAIL"))).toBe(false);
    },
  );

  it("gives a silent handshake up in time", async () => {
    const hop: FakeNextHopOptions = {
      extensions: ["STARTTLS"],
      starttls: silent,
    };
    const { recipients } = await attempt({
      route: "smtp://hop.example:PORT?tls=require",
      hop,
      target: { limits: { nextHopConnectMs: 200, nextHopReplyMs: 5000, nextHopDotMs: 5000 } },
    });
    expect(said(recipients[0])).toMatch(/^451 4\.4\.2 .* \(timeout\)$/);
  });

  it("believes only what is offered inside TLS", async () => {
    const hop = startTls(goodTls, {
      extensions: ["STARTTLS", "SIZE 1", "XFORWARD ADDR"],
      extensionsInTls: ["SIZE 5000"],
    });
    const { message, hop: fake } = await attempt({
      route: "smtp://hop.example:PORT",
      target: trust,
      hop,
      parameters: { size: 4000 },
    });
    expect(said(message)).toBe("accepted");
    expect(fake.commands[3]).toBe("MAIL FROM:<sender@client.example> SIZE=4000");
  });
});

describe("a route with tls=opportunistic", () => {
  it.each(badCertificates)("takes TLS with a certificate %s rather than none", async (_, tls) => {
    const { hop, message } = await attempt({
      route: "smtp://hop.example:PORT?tls=opportunistic",
      target: trust,
      hop: startTls(tls),
    });
    expect([said(message), hop.mails[0]?.isEncrypted]).toEqual(["accepted", true]);
  });

  it("goes without where STARTTLS is not offered", async () => {
    const { hop, message } = await attempt({ route: "smtp://127.0.0.1:PORT", hop: { extensions: [] } });
    expect([said(message), hop.mails[0]?.isEncrypted]).toEqual(["accepted", false]);
  });

  it("does not go without where STARTTLS is offered and refused", async () => {
    const { recipients } = await attempt({
      route: "smtp://127.0.0.1:PORT",
      hop: { extensions: ["STARTTLS"], starttls: "454 4.7.0 no" },
    });
    expect(said(recipients[0])).toBe(`${UNREACHABLE} (starttls-refused)`);
  });
});

describe("a route through the API", () => {
  const deliver = async (tls: "require" | "opportunistic", allow: string, hop: FakeNextHopOptions) => {
    const fake = await startFakeNextHop(hop);
    const target = createTarget({
      ...trust,
      allow: allow === "" ? NOTHING_ALLOWED : parseDeliveryAllow(allow),
    });
    try {
      const route = parseApiDelivery({ nextHop: `smtp://hop.example:${String(fake.port)}`, tls });
      const mail = target.begin(route, plainMail);
      const reply = await mail.recipient({ localPart: "a", domain });
      return reply.kind === "accepted" ? said(await mail.message(messageOf("a: b\r\n\r\n"))) : said(reply);
    } finally {
      await target.close();
      await fake.close();
    }
  };

  it("is not connected to on loopback unless DELIVERY_ALLOW covers it", async () => {
    expect(await deliver("opportunistic", "", {})).toBe(
      "451 4.4.1 The next hop may not be used, try again later (not-allowed)",
    );
    expect(await deliver("opportunistic", "10.0.0.0/8", {})).toContain("(not-allowed)");
  });

  it.each(["127.0.0.0/8", "hop.example"])(
    "is opportunistic where DELIVERY_ALLOW %s covers it",
    async (allow) => {
      expect(await deliver("opportunistic", allow, { extensions: [] })).toBe("accepted");
      expect(await deliver("require", allow, { extensions: [] })).toBe(`${UNREACHABLE} (starttls-missing)`);
      expect(await deliver("require", allow, startTls(goodTls))).toBe("accepted");
    },
  );
});

describe("the operator's credentials", () => {
  const withCredentials = (hop: FakeNextHopOptions, route = "smtp://me:p%40ss-w0rd@hop.example:PORT") =>
    attempt({ route, target: trust, hop });
  const secret = Buffer.from("\0me\0p@ss-w0rd").toString("base64");

  it("go by AUTH PLAIN inside verified TLS", async () => {
    const { hop, message } = await withCredentials(
      startTls(goodTls, { extensionsInTls: ["AUTH LOGIN PLAIN"] }),
    );
    expect(said(message)).toBe("accepted");
    expect(hop.commands[3]).toBe(`AUTH PLAIN ${secret}`);
  });

  it.each([
    [
      "in plaintext",
      { extensions: ["AUTH PLAIN"] },
      "smtp://me:p%40ss-w0rd@127.0.0.1:PORT?tls=opportunistic",
      "starttls-missing",
    ],
    [
      "to a certificate that is not good",
      startTls(badCertificates[0][1], { extensionsInTls: ["AUTH PLAIN"] }),
      "smtp://me:p%40ss-w0rd@hop.example:PORT?tls=opportunistic",
      "certificate-untrusted",
    ],
    [
      "where AUTH PLAIN is not offered",
      startTls(goodTls, { extensions: ["STARTTLS", "AUTH PLAIN"], extensionsInTls: ["AUTH LOGIN"] }),
      undefined,
      "auth-missing",
    ],
  ])("never go %s, and then no mail does", async (_, hop, route, cause) => {
    const { hop: fake, recipients } = await withCredentials(hop, route);
    expect(said(recipients[0])).toBe(`${UNREACHABLE} (${cause})`);
    expect(fake.commands.some((line) => /^(?:AUTH|MAIL)/.test(line))).toBe(false);
  });

  it.each(["535 5.7.8 bad credentials", "334 ", "454 4.7.0 later", "530 5.7.0 x", "250 ok"])(
    "that are answered %s lead to 451",
    async (auth) => {
      const { recipients } = await withCredentials(
        startTls(goodTls, { extensionsInTls: ["AUTH PLAIN"], auth }),
      );
      expect(said(recipients[0])).toBe(`${UNREACHABLE} (auth-refused)`);
    },
  );

  it("are in no reply and no detail, even when the next hop repeats them", async () => {
    const { recipients } = await withCredentials(
      startTls(goodTls, { extensionsInTls: ["AUTH PLAIN"], auth: `535 5.7.8 ${secret} p@ss-w0rd` }),
    );
    expect(recipients[0]).toMatchObject({ kind: "refused", detail: "AUTH was answered 535 5.7.8" });
    expect(JSON.stringify(recipients)).not.toMatch(/p@ss-w0rd|AG1l/);
  });
});

describe("REQUIRETLS", () => {
  const requireTls = { requireTls: true };

  it.each(["require", "opportunistic"])(
    "goes on to a next hop that is verified and offers it (tls=%s)",
    async (tls) => {
      const { hop, message } = await attempt({
        route: `smtp://hop.example:PORT?tls=${tls}`,
        target: trust,
        parameters: requireTls,
        hop: startTls(goodTls, { extensionsInTls: ["REQUIRETLS"] }),
      });
      expect(said(message)).toBe("accepted");
      expect(hop.commands[3]).toBe("MAIL FROM:<sender@client.example> REQUIRETLS");
    },
  );

  it.each([
    [
      "does not offer it",
      startTls(goodTls, { extensions: ["STARTTLS", "REQUIRETLS"], extensionsInTls: [] }),
      "extension-missing",
    ],
    ["does not offer STARTTLS", startTls(undefined, { extensions: ["REQUIRETLS"] }), "starttls-missing"],
    [
      "has a certificate that is not good",
      startTls(badCertificates[2][1], { extensionsInTls: ["REQUIRETLS"] }),
      "certificate-name-mismatch",
    ],
  ])("is refused for good at a next hop that %s", async (_, hop, cause) => {
    for (const tls of ["require", "opportunistic"]) {
      const { recipients, hop: fake } = await attempt({
        route: `smtp://hop.example:PORT?tls=${tls}`,
        target: trust,
        parameters: requireTls,
        hop,
      });
      expect(said(recipients[0])).toBe(`${NO_REQUIRETLS} (${cause})`);
      expect(fake.commands.some((line) => line.startsWith("MAIL"))).toBe(false);
    }
  });

  it.each([
    ["is not there", DROP],
    ["refuses STARTTLS for now", "454 4.7.0 later"],
  ] as const)("is only deferred at a next hop that %s", async (_, step) => {
    const hop = step === DROP ? { greeting: step } : startTls(goodTls, { starttls: step });
    const { recipients } = await attempt({
      route: "smtp://hop.example:PORT",
      target: trust,
      parameters: requireTls,
      hop,
    });
    expect(said(recipients[0])).toMatch(/^451 /);
  });
});

/**
 * With them Node's `getPeerCertificate()`, which `tls.connect` itself calls, ends the process with SIGSEGV
 * (24.21, 26 curves).
 */
describe("a next hop with a certificate on a curve without a NIST name", () => {
  const onCurve = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve });
  const names = ["hop.example"];
  const route = "smtp://hop.example:PORT?tls=require";

  it.each(["secp256k1", "brainpoolP256r1", "brainpoolP384r1", "secp224k1", "sect239k1"])(
    "is delivered to with a CA on %s",
    async (curve) => {
      const ca = makeCa({ parent: trusted, key: onCurve(curve) });
      const tls = tlsOf(issueServer({ names, ca }));
      const { message } = await attempt({ route, target: trust, hop: startTls(tls) });
      expect(said(message)).toBe("accepted");
    },
  );

  it("is delivered to with a root on brainpoolP256r1", async () => {
    const ca = makeCa({ key: onCurve("brainpoolP256r1") });
    const { message } = await attempt({
      route,
      target: { ca: [ca.rootPem] },
      hop: startTls(tlsOf(issueServer({ names, ca }))),
    });
    expect(said(message)).toBe("accepted");
  });

  it.each([
    [
      "that its own CA signed",
      makeCa({ key: onCurve("brainpoolP256r1") }),
      undefined,
      "certificate-untrusted",
    ],
    ["for another name", trusted, ["other.example"], "certificate-name-mismatch"],
  ] as const)("is refused with a leaf on brainpoolP256r1 %s", async (_, ca, others, cause) => {
    const issued = issueServer({ names: others ?? names, ca, key: onCurve("brainpoolP256r1") });
    const { recipients } = await attempt({ route, target: trust, hop: startTls(tlsOf(issued)) });
    expect(recipients[0]).toMatchObject({ code: 451, cause });
  });
});

describe("an address as the host of a route", () => {
  it("must stand in the certificate as an address", async () => {
    const { recipients } = await attempt({
      route: "smtp://127.0.0.1:PORT?tls=require",
      target: { ca: [hopTls.caPem] },
      hop: startTls(hopTls),
    });
    expect(recipients[0]).toMatchObject({ code: 451, cause: "certificate-name-mismatch" });
  });
});
