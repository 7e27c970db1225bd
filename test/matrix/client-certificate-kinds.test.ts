import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readPeerCertificate } from "../../core/x509/peer-certificate.ts";
import { clientCertificateKinds } from "../support/client-certificates/all-kinds.ts";
import { handshakeWith } from "../support/client-handshake.ts";

const kinds = clientCertificateKinds();
const versions = ["TLSv1.2", "TLSv1.3"] as const;

/**
 * The only code behind which the handshake can hide that a chain is not valid for any purpose, since OpenSSL
 * shows its last error. Every other code is row 6 for certain; under this one the row is for the chain
 * verifier to say.
 */
const AMBIGUOUS = "INVALID_PURPOSE";

describe.each(versions)("a client certificate in a %s handshake", (version) => {
  it.each(kinds)("is judged by the properties that it was made with: $name", async (kind) => {
    const handshake = await handshakeWith(kind, { trust: kind.trust, version });
    expect(handshake.code === null).toBe(handshake.ok);
    // Where OpenSSL may go either way, the code alone has to fit.
    expect(handshake.ok).toBe(kind.handshakeOk ?? handshake.ok);
    // A refusal by row 7 must differ from one by row 6.
    if (kind.handshakeOk !== null && kind.valid && kind.purpose !== "clientAuth")
      expect(handshake.code).toBe(AMBIGUOUS);
  });

  it.each(kinds)("arrives complete, in the order in which it was sent: $name", async (kind) => {
    const { chain } = await handshakeWith(kind, { trust: kind.trust, version });
    expect(chain.map((der) => new X509Certificate(der).fingerprint256)).toEqual(
      kind.chain.map((der) => new X509Certificate(der).fingerprint256),
    );
    expect(readPeerCertificate(chain)?.dnsNames).toEqual(kind.dnsNames);
  });
});
