import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createOpenSslChainVerifier } from "../../adapters/openssl/openssl-chain-verifier.ts";
import { clientCertificateKinds } from "../support/client-certificates/all-kinds.ts";
import { startRecordRelay } from "../support/record-relay.ts";
import { domainRecord, trustStoreId } from "../support/records.ts";
import { SmtpClient } from "../support/smtp-client.ts";
import { startTestEdge, type TestEdge, trustStoreOf } from "../support/test-edge.ts";

const verifier = await createOpenSslChainVerifier({
  clock: { now: () => Date.now() },
  maxPerClientPerMinute: 10_000,
});
const missing = verifier.problem === null ? "" : ` (skipped: ${verifier.problem})`;

/**
 * Chains on which OpenSSL meets a signature that does not verify; whether there is a better path is for the
 * verifier.
 */
const kinds = [
  "a leaf with a bad signature",
  "an intermediate with a bad signature",
  "a CRL that another key signed",
  "CRLs under an intermediate as the anchor",
  "a leaf of the first of two CAs of one name",
  "a leaf of the second of two CAs of one name",
  "a leaf of another RSA CA of the anchor's name",
  "an RSA key after an ECDSA key of one CA",
  "two intermediates of one name sent, the right one first",
  "two intermediates of one name sent, the right one last",
  "CRLs of both keys, a leaf of the old one",
  "CRLs of both keys, a leaf of the new one",
].map((name) => {
  const kind = clientCertificateKinds().find((each) => each.name === name);
  if (kind === undefined) throw new Error(`no kind ${name}`);
  return kind;
});

const versions = ["TLSv1.2", "TLSv1.3"] as const;

describe.skipIf(missing !== "")(`a client whose handshake arrives record by record${missing}`, () => {
  let edge: TestEdge;
  let relay: Awaited<ReturnType<typeof startRecordRelay>>;

  beforeAll(async () => {
    const stores = kinds.map(({ trust }, index) =>
      trustStoreOf(
        trustStoreId(index),
        trust.anchorsPem.join(""),
        trust.crlsPem.length === 0 ? null : trust.crlsPem.join(""),
      ),
    );
    const domains = kinds.map((_, index) =>
      domainRecord({
        name: `k${String(index)}.example`,
        mxHosts: [`mx.k${String(index)}.example`],
        server: { level: "require" },
        clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
        trustStoreIds: [trustStoreId(index)],
      }),
    );
    edge = await startTestEdge({ settings: { domains, trustStores: stores }, chainVerifier: verifier });
    relay = await startRecordRelay(edge.port());
  });
  afterAll(async () => {
    await relay.stop();
    await edge.stop();
    await verifier.close();
  });

  describe.each(versions)("%s", (version) => {
    it.each(kinds.map((kind, index) => ({ kind, index, name: kind.name })))(
      "receives a reply to $name",
      async ({ kind, index }) => {
        for (const servername of [`mx.k${String(index)}.example`, ""]) {
          const client = await SmtpClient.connect(relay.port);
          await client.reply();
          await client.say("EHLO client.example");
          await client.startTls({
            servername,
            minVersion: version,
            maxVersion: version,
            cert: kind.chainPem,
            key: kind.privateKeyPem,
          });
          await client.say("EHLO client.example");
          await client.say("MAIL FROM:<a@client.example>");
          expect(await client.say(`RCPT TO:<x@k${String(index)}.example>`)).toMatch(
            kind.valid ? /^250 / : /^550 5\.7\.1 /,
          );
          client.close();
        }
        expect(edge.seen("handshake-failed")).toEqual([]);
      },
    );
  });
});
