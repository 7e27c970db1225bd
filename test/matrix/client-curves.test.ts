import { generateKeyPairSync } from "node:crypto";
import type { SecureVersion } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { issueClient, issueServer, makeCa } from "../support/pki.ts";
import { issuerVerifier } from "../support/issuer-verifier.ts";
import { domainRecord, trustStoreId } from "../support/records.ts";
import { SmtpClient } from "../support/smtp-client.ts";
import { materialOf, startTestEdge, type TestEdge, trustStoreOf } from "../support/test-edge.ts";

const CURVES = ["P-521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "secp256k1", "P-224"];
const OURS = ["X25519", "P-256", "P-384"];
const ca = makeCa();

const clientOn = (namedCurve: string) =>
  issueClient({ names: ["client.example"], ca, key: generateKeyPairSync("ec", { namedCurve }) });
const clients = new Map(["P-256", "sect283r1", ...CURVES].map((curve) => [curve, clientOn(curve)]));

interface Presented {
  readonly curve: string;
  readonly offers: readonly string[];
  readonly version?: SecureVersion;
  readonly mode?: "request" | "require";
}

describe("a client certificate on a curve that is not one for key exchange", () => {
  let edge: TestEdge;

  beforeAll(async () => {
    const domains = (["request", "require"] as const).map((mode) =>
      domainRecord({
        name: `${mode}.example`,
        mxHosts: [`mx.${mode}.example`],
        server: { level: "require" },
        clientCertificate: { mode, names: { match: "any", allowed: [] } },
        trustStoreIds: [trustStoreId(1)],
      }),
    );
    edge = await startTestEdge({
      settings: { domains, trustStores: [trustStoreOf(trustStoreId(1), ca.rootPem)] },
      chainVerifier: issuerVerifier(),
      // An RSA key, so that the handshake of a client without ECDSA curves also reaches this point.
      defaultCertificate: materialOf(issueServer({ names: ["edge.example.net"], keyType: "rsa-2048" })),
    });
  });
  afterAll(() => edge.stop());

  /** The group of the key exchange and the reply to RCPT. */
  async function send({ curve, offers, version = "TLSv1.2", mode = "request" }: Presented) {
    const leaf = clients.get(curve);
    const client = await SmtpClient.connect(edge.port());
    try {
      await client.reply();
      await client.say("EHLO client.example");
      const socket = await client.startTls({
        servername: `mx.${mode}.example`,
        minVersion: version,
        maxVersion: version,
        cert: leaf?.bundlePem,
        key: leaf?.privateKeyPem,
        ecdhCurve: offers.join(":"),
      });
      const { name } = socket.getEphemeralKeyInfo() as { name?: string };
      await client.say("EHLO client.example");
      await client.say("MAIL FROM:<a@client.example>");
      return { group: name, reply: await client.say(`RCPT TO:<x@${mode}.example>`) };
    } finally {
      client.close();
    }
  }

  describe.each(CURVES)("%s", (curve) => {
    it.each(["request", "require"] as const)(
      "is accepted in mode %s with TLS 1.2, and verified",
      async (mode) => {
        const { reply } = await send({ curve, offers: [...OURS, curve], mode });
        expect(reply).toMatch(/^250 /);
        expect(edge.seen("verdict").at(-1)?.clientCertificate).toBe("verified");
      },
    );
    it("is not used for key exchange, though the client prefers it", async () => {
      const { group } = await send({ curve, offers: [curve, "P-256"] });
      expect(group).toBe("prime256v1");
    });
    it("ends no handshake with TLS 1.3", async () => {
      const { reply } = await send({ curve, offers: [...OURS, curve], version: "TLSv1.3" });
      expect(reply).toMatch(/^250 /);
    });
    it("is not one of our groups for a client that offers nothing else", async () => {
      await expect(send({ curve, offers: [curve] })).rejects.toThrow();
      expect(edge.seen("handshake-failed").at(-1)?.why).not.toBe("client-curve");
    });
  });

  it.each([
    { what: "the client does not offer", curve: "brainpoolP256r1", offers: OURS },
    { what: "has less than 112 bits or is a binary one", curve: "sect283r1", offers: [...OURS, "sect283r1"] },
  ])("is a failure with a separate reason where $what", async ({ curve, offers }) => {
    await expect(send({ curve, offers })).rejects.toThrow();
    expect(edge.seen("handshake-failed").at(-1)).toMatchObject({
      why: "client-curve",
      sni: "mx.request.example",
      code: "ERR_SSL_WRONG_CURVE",
    });
  });
});
