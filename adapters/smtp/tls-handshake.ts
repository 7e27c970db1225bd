/** TLS with a next hop, as a client. */

import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { NextHopTrouble, type Unverified } from "./trouble.ts";

export interface HandshakeOptions {
  /** The name of the route, which the certificate must carry; never the address that it resolved to. */
  readonly host: string;
  /** Trust anchors in PEM; undefined = those of the process (NODE_EXTRA_CA_CERTS adds to them). */
  readonly ca: readonly string[] | undefined;
  readonly deadlineMs: number;
}

export interface EncryptedSocket {
  readonly socket: TLSSocket;
  /** Null = the chain is trusted and the certificate carries the host. */
  readonly unverified: Unverified | null;
}

/**
 * The client's side of a handshake. Verification is reported and not enforced here, because the caller
 * answers differently to a failed handshake and to a certificate that is not good. No session is ever
 * resumed.
 *
 * @throws NextHopTrouble
 */
export function encrypt(socket: Socket, options: HandshakeOptions): Promise<EncryptedSocket> {
  const { host, ca, deadlineMs } = options;
  return new Promise((resolve, reject) => {
    // Read once: each getPeerX509Certificate() takes a certificate off the chain; the second gives none or
    // the next (Node 24.21).
    let presented: X509Certificate | undefined;
    const encrypted: TLSSocket = connect({
      socket,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca: [...ca] }),
      minVersion: "TLSv1.2",
      rejectUnauthorized: false,
      checkServerIdentity: () => {
        presented = encrypted.getPeerX509Certificate();
        return identityError(host, presented);
      },
    });
    // Node's own is called by `connect` after a good chain, and ends the process with SIGSEGV where leaf or
    // issuer is on an elliptic curve without a NIST name, such as brainpoolP256r1 or secp256k1 (Node 24.21).
    // X509Certificate reads them all.
    Object.assign(encrypted, { getPeerCertificate: () => ({}) });
    const timer = setTimeout(() => {
      fail("timeout", "the TLS handshake took too long");
    }, deadlineMs);
    // After a failed handshake nothing but destroy() touches the TLSSocket: reading its facts kills the
    // process.
    function fail(cause: "timeout" | "tls-failed", detail: string): void {
      clearTimeout(timer);
      encrypted.destroy();
      socket.destroy();
      const refusal = cause === "timeout" ? "bad-connection" : "no-connection";
      reject(new NextHopTrouble(refusal, { cause, phase: "tls", detail }));
    }
    encrypted.on("error", (error) => {
      fail("tls-failed", `TLS handshake: ${"code" in error ? String(error.code) : error.message}`);
    });
    const onClose = () => {
      fail("tls-failed", "the next hop closed the connection in the TLS handshake");
    };
    encrypted.once("close", onClose);
    encrypted.once("secureConnect", () => {
      clearTimeout(timer);
      encrypted.off("close", onClose);
      if (encrypted.authorized) return resolve({ socket: encrypted, unverified: null });
      // Node asks for the identity after a good chain alone.
      presented ??= encrypted.getPeerX509Certificate();
      resolve({
        socket: encrypted,
        unverified: faultOf(String(encrypted.authorizationError), host, presented),
      });
    });
  });
}

const NO_DNS_NAME = "the certificate has no dNSName";
const NOT_NAMED = "ERR_TLS_CERT_ALTNAME_INVALID";

/**
 * RFC 9525: dNSName or iPAddress of the SAN, never the CN; a wildcard stands for the whole leftmost label.
 */
function identityError(host: string, certificate: X509Certificate | undefined): Error | undefined {
  if (certificate === undefined) return new Error(NOT_NAMED);
  if (isIP(host) !== 0) return certificate.checkIP(host) === undefined ? new Error(NOT_NAMED) : undefined;
  if (!/(?:^|, )DNS:/.test(certificate.subjectAltName ?? "")) return new Error(NO_DNS_NAME);
  const named = certificate.checkHost(host, { subject: "never", partialWildcards: false });
  return named === undefined ? new Error(NOT_NAMED) : undefined;
}

/** Node's code of OpenSSL's error, or of the identity check, which only follows a good chain. */
const CAUSE_OF_CODE: ReadonlyMap<string, Unverified["cause"]> = new Map([
  ["CERT_HAS_EXPIRED", "certificate-expired"],
  ["CERT_NOT_YET_VALID", "certificate-expired"],
  [NOT_NAMED, "certificate-name-mismatch"],
  [NO_DNS_NAME, "certificate-name-mismatch"],
]);

function faultOf(code: string, host: string, certificate: X509Certificate | undefined): Unverified {
  const cause = CAUSE_OF_CODE.get(code) ?? "certificate-untrusted";
  const { validFrom: from, validTo: to, subjectAltName: names } = certificate ?? {};
  switch (cause) {
    case "certificate-expired":
      return { cause, detail: `${code}: valid from ${from ?? "?"} to ${to ?? "?"}` };
    case "certificate-name-mismatch":
      return { cause, detail: `${code}: ${host} is not in ${names ?? "a certificate without names"}` };
    default:
      return { cause, detail: code };
  }
}
