import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createOpenSslChainVerifier,
  type OpenSslChainVerifier,
} from "../../adapters/openssl/openssl-chain-verifier.ts";
import { clientCertificateKinds } from "../support/client-certificates/all-kinds.ts";
import type { ClientCertificateKind } from "../support/client-certificates/kind.ts";
import { CAS } from "../support/client-kinds.ts";
import { domainRecord, trustStoreId } from "../support/records.ts";
import { SmtpClient } from "../support/smtp-client.ts";
import { startTestEdge, type TestEdge, trustStoreOf } from "../support/test-edge.ts";

const verifier: OpenSslChainVerifier = await createOpenSslChainVerifier({
  clock: { now: () => Date.now() },
  maxPerClientPerMinute: 100_000,
});
const missing = verifier.problem === null ? "" : ` (skipped: ${verifier.problem})`;

const kinds = clientCertificateKinds();
const PURPOSES = ["clientAuth", "clientAuthOrServerAuth"] as const;
const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
/** With the domain's own name the handshake judges; without it, or with another domain's, `openssl verify` does. */
const SNI = ["own", "absent", "another domain's"] as const;

type Purpose = (typeof PURPOSES)[number];

const domainOf = (index: number, purpose: Purpose): string =>
  `k${String(index)}.${purpose.toLowerCase()}.example`;
const hostOf = (index: number): string => `mx.k${String(index)}.example`;

/**
 * OpenSSL leaves a failed signature in its error queue, and Node takes what lies there for a failure of the handshake when
 * the client's flight comes in more than one piece (Node 24.21, TLS 1.2). The client is then cut without a reply: nobody
 * is let in by it, and nothing in Node's interface avoids it.
 */
const MAY_BE_CUT: ReadonlySet<string> = new Set([
  "a leaf with a bad signature",
  "an intermediate with a bad signature",
  "a CRL that somebody else signed",
  "CRLs under an intermediate as the anchor",
]);

/** What semantics.md section 3 says of rows 6 and 7, from what the certificate was made to be. */
function expectedReply(kind: ClientCertificateKind, purpose: Purpose): string {
  if (!kind.valid) return "550 5.7.1 DOMAIN does not trust";
  const accepted =
    kind.purpose === "clientAuth" || (kind.purpose === "serverAuth" && purpose === "clientAuthOrServerAuth");
  return accepted ? "250 " : "550 5.7.1 DOMAIN does not accept the key usage";
}

describe.skipIf(missing !== "")(`every kind of client certificate, over SMTP${missing}`, () => {
  let edge: TestEdge;

  beforeAll(async () => {
    const trustStores = kinds.map(({ trust }, index) =>
      trustStoreOf(
        trustStoreId(index),
        trust.anchorsPem.join(""),
        trust.crlsPem.length === 0 ? null : trust.crlsPem.join(""),
      ),
    );
    const domains = kinds.flatMap((_, index) =>
      PURPOSES.map((purpose) =>
        domainRecord({
          name: domainOf(index, purpose),
          mxHosts: [hostOf(index)],
          server: { level: "require" },
          clientCertificate: { mode: "require", purpose, names: { match: "any", allowed: [] } },
          trustStoreIds: [trustStoreId(index)],
        }),
      ),
    );
    const other = domainRecord({
      name: "other.example",
      mxHosts: ["mx.other.example"],
      server: { level: "require" },
      clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
      trustStoreIds: [trustStoreId(kinds.length)],
    });
    edge = await startTestEdge({
      settings: {
        domains: [...domains, other],
        trustStores: [...trustStores, trustStoreOf(trustStoreId(kinds.length), CAS.other.rootPem)],
      },
      chainVerifier: verifier,
    });
  });

  afterAll(async () => {
    await edge.stop();
    await verifier.close();
  });

  describe.each(VERSIONS)("%s", (version) => {
    describe.each(SNI)("with the SNI %s", (sni) => {
      it.each(kinds.map((kind, index) => ({ kind, index, name: kind.name })))(
        "$name",
        async ({ kind, index }) => {
          const servername = { own: hostOf(index), absent: "", "another domain's": "mx.other.example" }[sni];
          const client = await SmtpClient.connect(edge.port());
          await client.reply();
          await client.say("EHLO client.example");
          const handshake = client.startTls({
            servername,
            minVersion: version,
            maxVersion: version,
            cert: kind.chainPem,
            key: kind.privateKeyPem,
            // A client may present what we would not take.
            ciphers: "DEFAULT@SECLEVEL=0",
          });
          const secured = await handshake.then(
            () => true,
            (error: unknown) => {
              if (MAY_BE_CUT.has(kind.name)) return false;
              throw error;
            },
          );
          if (!secured) return;
          await client.say("EHLO client.example");
          await client.say("MAIL FROM:<a@client.example>");
          for (const purpose of PURPOSES) {
            const domain = domainOf(index, purpose);
            const reply = await client.say(`RCPT TO:<x@${domain}>`);
            expect(
              reply.startsWith(expectedReply(kind, purpose).replace("DOMAIN", domain)),
              `${purpose}: ${reply}`,
            ).toBe(true);
          }
          client.close();
        },
      );
    });
  });
});

it("knows by name the kinds that may be cut", () =>
  expect(kinds.filter(({ name }) => MAY_BE_CUT.has(name))).toHaveLength(MAY_BE_CUT.size));
