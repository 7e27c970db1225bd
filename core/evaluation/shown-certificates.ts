/** Certificates of a described handshake, as an evaluation shows them. */

import type { Actor } from "../actor.ts";
import type { ReportedEdge } from "../edge-report/edge-reports.ts";
import { validity } from "../management/expiry.ts";
import type { JudgedRecipient } from "../policy/recipient-judge.ts";
import type { TlsChoice } from "../policy/tls-choice.ts";
import type { Verdict } from "../policy/verdict.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { PeerCertificate } from "../x509/peer-certificate.ts";
import type { EvaluatedClient, PresentedCertificate } from "./evaluation.ts";
import type { DescribedSession } from "./judged-session.ts";

/**
 * The certificate of a handshake: that of the settings, unless the edge reports that the version in force
 * does not load there.
 *
 * @param edge null = none has reported.
 */
export function presentedCertificate(
  { account }: Actor,
  { certificate }: Pick<TlsChoice, "certificate">,
  edge: ReportedEdge | null,
): PresentedCertificate {
  const served = certificate === null ? null : servedVersion(certificate, edge);
  if (certificate === null || served === null) return defaultCertificate(edge);
  if (certificate.account === account)
    return { source: "settings", certificateId: certificate.id, ...served };
  return { source: "hidden", certificateId: null, version: null, fingerprintsSha256: [], notAfter: null };
}

type Served = Pick<PresentedCertificate, "version" | "fingerprintsSha256" | "notAfter">;

/** null = the edge has no version of it, and presents its default certificate. */
function servedVersion(certificate: CertificateRecord, edge: ReportedEdge | null): Served | null {
  const { material, id } = certificate;
  if (material === null) return null;
  const problem = edge?.certificateProblems.find(
    ({ certificateId, version }) => certificateId === id && version === material.version,
  );
  if (problem !== undefined) {
    const older = edge?.certificates.find(({ certificateId }) => certificateId === id);
    return problem.serves === null || older === undefined ? null : servedOf(older);
  }
  return {
    version: material.version,
    fingerprintsSha256: certificate.keys.map(({ fingerprintSha256 }) => fingerprintSha256),
    notAfter: validity(certificate).notAfter,
  };
}

const servedOf = ({
  version,
  fingerprintsSha256,
  notAfter,
}: ReportedEdge["certificates"][number]): Served => ({
  version,
  fingerprintsSha256,
  notAfter,
});

function defaultCertificate(edge: ReportedEdge | null): PresentedCertificate {
  const own = edge?.certificates.find(({ certificateId }) => certificateId === null);
  const served = own === undefined ? { fingerprintsSha256: [], notAfter: null } : servedOf(own);
  return { source: "default", certificateId: null, ...served, version: null };
}

interface ClientInSession {
  readonly session: Pick<DescribedSession, "protocol" | "peer">;
  readonly choice: Pick<TlsChoice, "ask"> | null;
  /** What the client presents. */
  readonly peer: PeerCertificate | null;
  readonly recipient: JudgedRecipient | null;
  /** Why the verifier gave no verdict; null = it did, or was not asked. */
  readonly open: string | null;
}

/** What is made of the client's certificate. */
export function shownClient(client: ClientInSession): EvaluatedClient {
  const { peer, recipient, open } = client;
  if (peer === null) return { result: "absent", reason: absenceOf(client), presented: null };
  const { dnsNames, fingerprintSha256, spkiPin } = peer;
  const presented = { dnsNames, fingerprintSha256, spkiPin };
  if (open !== null) return { result: "not-evaluated", reason: open, presented };
  return { ...resultOf(recipient?.verdict ?? null), presented };
}

function absenceOf({ session, choice }: ClientInSession): string {
  if (choice === null) return "the session is in plaintext";
  if (!choice.ask) return "the edge requests no client certificate in this handshake";
  return session.peer === null ? "the client presents no certificate" : "the certificate cannot be read";
}

function resultOf(verdict: Verdict | null): Pick<EvaluatedClient, "result" | "reason"> {
  const detail = verdict?.detail ?? null;
  const because = detail === null ? "" : `: ${detail}`;
  switch (verdict?.clientCertificate) {
    case "verified":
      return {
        result: "verified",
        reason: "valid for this domain's trust, or pinned; purpose and name are accepted",
      };
    case "untrusted":
      return { result: "failed", reason: `not valid for this domain's trust${because}` };
    case "purpose":
      return { result: "failed", reason: `the key usage is not accepted${because}` };
    case "name":
      return { result: "failed", reason: "no DNS name of the certificate is accepted" };
    case "not-judged":
      return { result: "not-evaluated", reason: `the chain could not be judged${because}` };
    default:
      return { result: "not-evaluated", reason: "no rule that applies depends on a client certificate" };
  }
}
