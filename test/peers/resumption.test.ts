import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { scratchDirectory } from "../support/peers/scratch.ts";
import { type ClientIdentity, handshakeReport, sClient } from "../support/peers/s-client.ts";
import { issueClient, makeCa } from "../support/pki.ts";

const ours = makeCa({ name: "Ours CA" });
const theirs = makeCa({ name: "Theirs CA" });
const ourClient = issueClient({ names: ["ours.client.example"], ca: ours });
const theirClient = issueClient({ names: ["theirs.client.example"], ca: theirs });

const OUR_HOST = "mx.ours.example";
const THEIR_HOST = "mx.theirs.example";

interface Attempt {
  readonly title: string;
  /** The parameters of the handshake that obtains the session. */
  readonly earnedWith: ClientIdentity | null;
  readonly earnedAt: string;
  /** Presented with the session offer; a client that really resumes presents no certificate. */
  readonly triedAt: string;
  readonly refusal: RegExp;
}

const MISSING = /^550 5\.7\.1 ours\.example requires a client certificate/u;

const ATTEMPTS: readonly Attempt[] = [
  {
    title: "earned without a certificate",
    earnedWith: null,
    earnedAt: OUR_HOST,
    triedAt: OUR_HOST,
    refusal: MISSING,
  },
  {
    title: "earned with a good certificate, then used without one",
    earnedWith: ourClient,
    earnedAt: OUR_HOST,
    triedAt: OUR_HOST,
    refusal: MISSING,
  },
  {
    title: "earned with another domain's certificate at that domain's MX host",
    earnedWith: theirClient,
    earnedAt: THEIR_HOST,
    triedAt: OUR_HOST,
    refusal: MISSING,
  },
  {
    title: "earned without a certificate at another MX host",
    earnedWith: null,
    earnedAt: THEIR_HOST,
    triedAt: OUR_HOST,
    refusal: MISSING,
  },
];

const CASES = (["TLSv1.2", "TLSv1.3"] as const).flatMap((protocol) =>
  ATTEMPTS.map((attempt) => ({ ...attempt, protocol })),
);

let product: Product;
let directory = "";

describeWith(["openssl"])("a TLS session", () => {
  beforeAll(async () => {
    directory = scratchDirectory();
    product = await startProduct();
    await requireCertificates("ours.example", OUR_HOST, ours.rootPem);
    await requireCertificates("theirs.example", THEIR_HOST, theirs.rootPem);
  });

  afterAll(endEverything);

  it.each(CASES)("$title is not resumed over $protocol", async (attempt) => {
    const { protocol, earnedWith, earnedAt, triedAt, refusal } = attempt;
    const file = join(directory, `${CASES.indexOf(attempt)}.session`);
    const port = product.smtpPort;
    // A conversation, so that tickets that come after a TLS 1.3 handshake would be caught.
    await sClient({ port, protocol, sni: earnedAt, identity: earnedWith, more: ["-sess_out", file] }, [
      "EHLO a.client.example",
      "NOOP",
      "QUIT",
    ]);
    // Without tickets and session ids the client may have no session; if it has one, it must not be resumed.
    const kept = existsSync(file) ? ["-sess_in", file] : [];
    const report = await handshakeReport({ port, protocol, sni: triedAt, identity: null, more: kept });
    expect(report).toMatch(new RegExp(`^New, ${protocol.replace(".", "\\.")}`, "mu"));
    expect(report).not.toMatch(/^Reused/mu);
    const { replies } = await sClient({ port, protocol, sni: triedAt, identity: null, more: kept }, [
      "EHLO ours.client.example",
      "MAIL FROM:<a@client.example>",
      "RCPT TO:<b@ours.example>",
    ]);
    expect(replies[2]).toMatch(refusal);
  });

  // Over TLS 1.3 OpenSSL sends tickets even with SSL_OP_NO_TICKET: they refer to no stored session.
  it("is never offered a ticket over TLS 1.2", async () => {
    const report = await handshakeReport({
      port: product.smtpPort,
      protocol: "TLSv1.2",
      sni: OUR_HOST,
      identity: ourClient,
      more: ["-msg"],
    });
    expect(report).toContain("ServerHelloDone");
    expect(report).not.toContain("NewSessionTicket");
  });
});

async function requireCertificates(domain: string, host: string, rootPem: string): Promise<void> {
  const trustStoreId = await product.createTrustStore(rootPem);
  await product.putDomain(domain, {
    mxHosts: [host],
    tls: {
      server: { level: "require" },
      clientCertificate: { mode: "require", trust: { trustStoreIds: [trustStoreId] } },
    },
  });
}
