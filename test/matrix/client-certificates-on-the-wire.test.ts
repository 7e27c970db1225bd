import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createOpenSslChainVerifier,
  type OpenSslChainVerifier,
} from "../../adapters/openssl/openssl-chain-verifier.ts";
import type { TrustStoreId } from "../../core/name/ids.ts";
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
/**
 * With the domain's own name the handshake judges; without it, or with another domain's, `openssl verify`
 * does.
 */
const SNI = ["own", "absent", "another domain's"] as const;

type Purpose = (typeof PURPOSES)[number];

const domainOf = (index: number, purpose: Purpose): string =>
  `k${String(index)}.${purpose.toLowerCase()}.example`;
const storeIdOf = (index: number, at: number): TrustStoreId => trustStoreId((index + 1) * 10 + at);
const hostOf = (index: number): string => `mx.k${String(index)}.example`;

/**
 * The verdicts of semantics.md section 3, rows 6 and 7, from the properties that the certificate was made
 * with.
 */
function expectedReply(kind: ClientCertificateKind, purpose: Purpose): string {
  if (!kind.valid) return "550 5.7.1 DOMAIN does not trust";
  const accepted =
    kind.purpose === "clientAuth" || (kind.purpose === "serverAuth" && purpose === "clientAuthOrServerAuth");
  return accepted ? "250 " : "550 5.7.1 DOMAIN does not accept the key usage";
}

describe.skipIf(missing !== "")(`every kind of client certificate, over SMTP${missing}`, () => {
  let edge: TestEdge;

  beforeAll(async () => {
    const trustStores = kinds.flatMap(({ stores }, index) =>
      stores.map(({ anchorsPem, crlsPem }, at) =>
        trustStoreOf(
          storeIdOf(index, at),
          anchorsPem.join(""),
          crlsPem.length === 0 ? null : crlsPem.join(""),
        ),
      ),
    );
    const domains = kinds.flatMap(({ stores }, index) =>
      PURPOSES.map((purpose) =>
        domainRecord({
          name: domainOf(index, purpose),
          mxHosts: [hostOf(index)],
          server: { level: "require" },
          clientCertificate: { mode: "require", purpose, names: { match: "any", allowed: [] } },
          trustStoreIds: stores.map((_, at) => storeIdOf(index, at)),
        }),
      ),
    );
    const other = domainRecord({
      name: "other.example",
      mxHosts: ["mx.other.example"],
      server: { level: "require" },
      clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
      trustStoreIds: [trustStoreId(0)],
    });
    edge = await startTestEdge({
      settings: {
        domains: [...domains, other],
        trustStores: [...trustStores, trustStoreOf(trustStoreId(0), CAS.other.rootPem)],
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
          await client.startTls({
            servername,
            minVersion: version,
            maxVersion: version,
            cert: kind.chainPem,
            key: kind.privateKeyPem,
            // A client may present a certificate that the edge would not accept.
            ciphers: "DEFAULT@SECLEVEL=0",
          });
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
