import { afterAll, beforeAll, expect, it } from "vitest";
import {
  CLIENT_CERTIFICATE_MODES,
  type ClientCertificateMode,
  TLS_LEVELS,
  type TlsLevel,
} from "../../core/record/domain.ts";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { type ClientIdentity, sClient } from "../support/peers/s-client.ts";
import { swaks } from "../support/peers/swaks.ts";
import { issueClient, makeCa } from "../support/pki.ts";

const PROTOCOLS = ["TLSv1.2", "TLSv1.3"] as const;
const CERTIFICATES = ["none", "good", "untrusted", "wrong name"] as const;
type Certificate = (typeof CERTIFICATES)[number];
/** `own` = the domain's MX host is in SNI and the handshake judges; `absent` = the chain verifier has to. */
const SNIS = ["own", "absent"] as const;

const ALLOWED = "client.example";
const friends = makeCa({ name: "Friends CA" });
const strangers = makeCa({ name: "Strangers CA" });
const IDENTITIES: Readonly<Record<Certificate, ClientIdentity | null>> = {
  none: null,
  good: issueClient({ names: [ALLOWED], ca: friends }),
  untrusted: issueClient({ names: [ALLOWED], ca: strangers }),
  "wrong name": issueClient({ names: ["other.example"], ca: friends }),
};

interface Setting {
  readonly level: TlsLevel;
  readonly mode: ClientCertificateMode;
}

const SETTINGS: readonly Setting[] = TLS_LEVELS.flatMap((level) =>
  CLIENT_CERTIFICATE_MODES.map((mode) => ({ level, mode })),
);
/** semantics.md section 1: a certificate needs TLS, and a client in plaintext would bypass a required one. */
const isRefusedWhenWritten = ({ level, mode }: Setting): boolean =>
  (mode !== "none" && level === "none") || (mode === "require" && level !== "require");
const WRITABLE = SETTINGS.filter((setting) => !isRefusedWhenWritten(setting));

interface Expected {
  readonly reply: RegExp;
  /** As the session's log line names it; null = accepted. */
  readonly reason: string | null;
  readonly clientCertificate: string;
}

const ACCEPTED = /^250 2\.1\.5 /u;
const REFUSED_BY_CERTIFICATE: Readonly<Record<Certificate, Expected>> = {
  none: {
    reply: /^550 5\.7\.1 .*requires a client certificate/u,
    reason: "client-certificate-missing",
    clientCertificate: "none",
  },
  good: { reply: ACCEPTED, reason: null, clientCertificate: "verified" },
  untrusted: {
    reply: /^550 5\.7\.1 .*does not trust/u,
    reason: "client-certificate-untrusted",
    clientCertificate: "untrusted",
  },
  "wrong name": {
    reply: /^550 5\.7\.1 .*DNS names/u,
    reason: "client-certificate-name",
    clientCertificate: "name",
  },
};

/** A second copy of the verdict table of semantics.md: over TLS only rows 5 to 8 can refuse. */
function expectedOverTls(mode: ClientCertificateMode, certificate: Certificate): Expected {
  const judged = REFUSED_BY_CERTIFICATE[certificate];
  switch (mode) {
    case "none":
      return { reply: ACCEPTED, reason: null, clientCertificate: "not-requested" };
    case "request":
      return { ...judged, reply: ACCEPTED, reason: null };
    default:
      return judged;
  }
}

const overTls = WRITABLE.flatMap((setting) =>
  PROTOCOLS.flatMap((protocol) =>
    CERTIFICATES.flatMap((certificate) => SNIS.map((sni) => ({ ...setting, protocol, certificate, sni }))),
  ),
);

const nameOf = ({ level, mode }: Setting): string => `${level}-${mode}.example`;
const hostOf = (setting: Setting): string => `mx.${nameOf(setting)}`;

let product: Product;
let trustStoreId = "";

const settingsOf = (setting: Setting): unknown => ({
  mxHosts: [hostOf(setting)],
  tls: {
    server: { level: setting.level },
    clientCertificate: {
      mode: setting.mode,
      trust: { trustStoreIds: [trustStoreId] },
      names: { match: "list", allowed: [ALLOWED] },
    },
  },
});

describeWith(["openssl", "swaks"])(
  "the reply at RCPT for every level, mode, transport and certificate",
  () => {
    beforeAll(async () => {
      // Every certificate is judged by the verifier many times here, by one client.
      product = await startProduct({ LIMITS: '{"maxChainVerificationsPerClient":100000}' });
      trustStoreId = await product.createTrustStore(friends.rootPem);
      for (const setting of WRITABLE) await product.putDomain(nameOf(setting), settingsOf(setting));
    });

    afterAll(endEverything);

    it.each(SETTINGS.filter(isRefusedWhenWritten))(
      "level $level with mode $mode cannot be written",
      async (setting) => {
        const { status, body } = await product.api(
          "PUT",
          `/v1/domains/${nameOf(setting)}`,
          settingsOf(setting),
        );
        expect(status).toBe(422);
        expect(body).toMatchObject({
          errors: expect.arrayContaining([
            expect.objectContaining({ pointer: "/tls/clientCertificate/mode" }),
          ]),
        });
      },
    );

    it.each(WRITABLE)("plaintext to level $level with mode $mode", async (setting) => {
      const answer = await swaks({
        port: product.smtpPort,
        from: "a@client.example",
        to: [`b@${nameOf(setting)}`],
        tls: "never",
      });
      if (setting.level === "require") {
        expect(answer.transcript).toMatch(/^<\*\* 530 5\.7\.0 .*issue STARTTLS first/mu);
        expect(answer.exitCode).toBe(24);
      } else {
        expect(answer.transcript).toMatch(/^<- {2}250 2\.1\.5 /mu);
        expect(answer.exitCode).toBe(0);
      }
    });

    it.each(overTls)(
      "$protocol to level $level with mode $mode, certificate $certificate, SNI $sni",
      async ({ level, mode, protocol, certificate, sni }) => {
        const helo = `${level}-${mode}-${protocol.replace(".", "")}-${certificate.replace(" ", "")}-${sni}.client.example`;
        const { replies, diagnostics } = await sClient(
          {
            port: product.smtpPort,
            protocol,
            sni: sni === "own" ? hostOf({ level, mode }) : null,
            identity: IDENTITIES[certificate],
          },
          [`EHLO ${helo}`, "MAIL FROM:<a@client.example>", `RCPT TO:<b@${nameOf({ level, mode })}>`, "QUIT"],
        );
        const expected = expectedOverTls(mode, certificate);
        expect(replies[2], diagnostics).toMatch(expected.reply);
        const session = await product.session(helo);
        expect(session).toMatchObject({
          tls: { protocol },
          recipients: [{ reason: expected.reason, clientCertificate: expected.clientCertificate }],
        });
      },
    );
  },
);

it("covers every cell: 9 settings of which 3 cannot be written, then plaintext and 2 versions with 4 certificates", () => {
  expect(SETTINGS).toHaveLength(9);
  expect(WRITABLE).toHaveLength(6);
  expect(overTls).toHaveLength(6 * 2 * 4 * SNIS.length);
});
