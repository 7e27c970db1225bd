/** The chain that a described client has. */

import { InvalidInput, type Issue, RuleViolation, TooLarge } from "../errors.ts";
import { CAPS } from "../limits.ts";
import type { HandshakeVerdict, PeerCertificate } from "../x509/peer-certificate.ts";
import { readPeerCertificate } from "../x509/peer-certificate.ts";
import { readPem } from "../x509/pem.ts";
import { readCertificates } from "../x509/uploaded-certificate.ts";

const POINTER = "/clientChainPem";

/** No handshake took place: every chain is judged by pins and by the chain verifier. */
const NO_HANDSHAKE: HandshakeVerdict = { trustHash: null, ok: false, code: null };

/**
 * Reads the chain as an edge keeps it of a handshake.
 *
 * @throws TooLarge; InvalidInput where the text holds anything but certificates; RuleViolation beyond ten.
 */
export function readClientChain(pem: string): PeerCertificate {
  const max = CAPS.certificatePemBytes;
  if (Buffer.byteLength(pem) > max)
    throw new TooLarge("the client's chain is too large", [
      issue("too-large", `is over ${String(max)} bytes`),
    ]);
  const { blocks, issues } = readPem(pem, POINTER);
  throwInvalid(issues);
  if (blocks.length > CAPS.certificatesInPem)
    throw new RuleViolation([
      issue("too-many-certificates", `holds more than ${String(CAPS.certificatesInPem)} certificates`),
    ]);
  const read = readCertificates(blocks, POINTER);
  throwInvalid(read.issues);
  const peer = readPeerCertificate(read.certificates.map(({ der }) => der));
  if (peer === null) throw invalid([issue("unreadable-certificate", "the first certificate cannot be read")]);
  return { ...peer, handshake: NO_HANDSHAKE };
}

const issue = (code: Issue["code"], message: string): Issue => ({ pointer: POINTER, code, message });

const invalid = (issues: readonly Issue[]): InvalidInput =>
  new InvalidInput("The client's chain cannot be read.", issues);

function throwInvalid(issues: readonly Issue[]): void {
  if (issues.length > 0) throw invalid(issues);
}
