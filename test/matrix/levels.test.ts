import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CAS, CLIENT_NAME, presenting } from "../support/client-kinds.ts";
import { issuerVerifier } from "../support/issuer-verifier.ts";
import { domainRecord, name, trustStoreId } from "../support/records.ts";
import { SmtpClient } from "../support/smtp-client.ts";
import { startTestEdge, type TestEdge, trustStoreOf } from "../support/test-edge.ts";

const LEVELS = ["none", "accept", "require"] as const;
const PROTOCOLS = ["plaintext", "TLSv1.2", "TLSv1.3"] as const;
const MODES = ["none", "request", "require"] as const;
const CERTIFICATES = ["none", "good", "untrusted", "wrong-name", "server-only"] as const;

interface Cell {
  readonly level: (typeof LEVELS)[number];
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly mode: (typeof MODES)[number];
  readonly certificate: (typeof CERTIFICATES)[number];
}

/**
 * The verdicts of semantics.md section 3, written from its table and not from the code. A domain is named by
 * level and mode; the purpose is clientAuth, so that `server-only` has something to fail at.
 */
function expectedReply({ level, protocol, mode, certificate }: Cell): string {
  if (level === "require" && protocol === "plaintext") return "530 5.7.0";
  // Row 5 applies in plaintext too: the client has no certificate there either.
  if (mode !== "require") return "250";
  return {
    none: "550 5.7.1 DOMAIN requires a client certificate",
    good: "250",
    untrusted: "550 5.7.1 DOMAIN does not trust",
    "wrong-name": "550 5.7.1 DOMAIN does not accept the DNS names",
    "server-only": "550 5.7.1 DOMAIN does not accept the key usage",
  }[certificate];
}

/**
 * Settings that the API would refuse, but that a store of another release might hold, must still be judged.
 */
const cells: readonly Cell[] = LEVELS.flatMap((level) =>
  PROTOCOLS.flatMap((protocol) =>
    MODES.flatMap((mode) =>
      CERTIFICATES.filter((certificate) => certificate === "none" || protocol !== "plaintext").map(
        (certificate) => ({
          level,
          protocol,
          mode,
          certificate,
        }),
      ),
    ),
  ),
);

const domainOf = ({ level, mode }: Pick<Cell, "level" | "mode">): string => `${level}-${mode}.example`;

describe("every level, protocol, mode and certificate", () => {
  let edge: TestEdge;

  beforeAll(async () => {
    const domains = LEVELS.flatMap((level) =>
      MODES.map((mode) =>
        domainRecord({
          name: domainOf({ level, mode }),
          mxHosts: [`mx.${domainOf({ level, mode })}`],
          server: { level },
          clientCertificate: {
            mode,
            purpose: "clientAuth",
            names: { match: "list", allowed: [name(CLIENT_NAME)] },
          },
          trustStoreIds: [trustStoreId(1)],
        }),
      ),
    );
    const trustStores = [trustStoreOf(trustStoreId(1), CAS.partner.rootPem)];
    edge = await startTestEdge({ settings: { domains, trustStores }, chainVerifier: issuerVerifier() });
  });

  afterAll(() => edge.stop());

  it.each(cells)("level $level, $protocol, mode $mode, certificate $certificate", async (cell) => {
    const domain = domainOf(cell);
    const client = await SmtpClient.connect(edge.port());
    await client.reply();
    await client.say("EHLO client.example");
    if (cell.protocol !== "plaintext") {
      await client.startTls({
        servername: `mx.${domain}`,
        minVersion: cell.protocol,
        maxVersion: cell.protocol,
        ...(cell.certificate === "none" ? {} : presenting(cell.certificate)),
      });
      await client.say("EHLO client.example");
    }
    await client.say("MAIL FROM:<a@client.example>");
    const reply = await client.say(`RCPT TO:<x@${domain}>`);
    client.close();
    expect(reply.startsWith(expectedReply(cell).replace("DOMAIN", domain)), reply).toBe(true);
  });
});
