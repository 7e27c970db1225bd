import type { Socket } from "node:net";
import { isIP } from "node:net";
import { checkServerIdentity, connect, type PeerCertificate, type TLSSocket } from "node:tls";
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
 * The client's side of a handshake. Verification is reported and not enforced here, because the caller answers
 * differently to a failed handshake and to a certificate that is not good. No session is ever resumed.
 *
 * @throws NextHopTrouble
 */
export function encrypt(socket: Socket, options: HandshakeOptions): Promise<EncryptedSocket> {
  const { host, ca, deadlineMs } = options;
  return new Promise((resolve, reject) => {
    const encrypted = connect({
      socket,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca: [...ca] }),
      minVersion: "TLSv1.2",
      rejectUnauthorized: false,
      checkServerIdentity: (_, certificate) => identityError(host, certificate),
    });
    const timer = setTimeout(() => {
      fail("timeout", "the TLS handshake took too long");
    }, deadlineMs);
    // After a failed handshake nothing but destroy() touches the TLSSocket: reading its facts kills the process.
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
      resolve({ socket: encrypted, unverified: encrypted.authorized ? null : faultOf(encrypted, host) });
    });
  });
}

const NO_DNS_NAME = "the certificate has no dNSName";

/** RFC 9525: dNSName or iPAddress of the SAN, never the CN, which Node falls back to when there is no dNSName. */
function identityError(host: string, certificate: PeerCertificate): Error | undefined {
  const isNamed = isIP(host) !== 0 || /(?:^|, )DNS:/.test(certificate.subjectaltname ?? "");
  return isNamed ? checkServerIdentity(host, certificate) : new Error(NO_DNS_NAME);
}

/** Node's code of OpenSSL's error, or of the identity check, which only follows a good chain. */
const CAUSE_OF_CODE: ReadonlyMap<string, Unverified["cause"]> = new Map([
  ["CERT_HAS_EXPIRED", "certificate-expired"],
  ["CERT_NOT_YET_VALID", "certificate-expired"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "certificate-name-mismatch"],
  [NO_DNS_NAME, "certificate-name-mismatch"],
]);

function faultOf(socket: TLSSocket, host: string): Unverified {
  const code = String(socket.authorizationError);
  const cause = CAUSE_OF_CODE.get(code) ?? "certificate-untrusted";
  const { valid_from: from, valid_to: to, subjectaltname: names } = socket.getPeerCertificate();
  switch (cause) {
    case "certificate-expired":
      return { cause, detail: `${code}: valid from ${from} to ${to}` };
    case "certificate-name-mismatch":
      return { cause, detail: `${code}: ${host} is not in ${names ?? "a certificate without names"}` };
    default:
      return { cause, detail: code };
  }
}
