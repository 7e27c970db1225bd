/** Example of an evaluation in the OpenAPI document. */

import type * as z from "zod";
import type { evaluationResponse } from "./evaluation-response.ts";

const NOT_JUDGED = "mode none: no client certificate is judged";
const judgedBy = { mode: "none", clientCertificate: "not-requested", detail: null };

const ROWS: z.input<typeof evaluationResponse>["explanation"] = [
  {
    row: 1,
    reason: "relay-denied",
    passed: true,
    text: "example.org is served on listener mx",
    facts: { domain: "example.org", listener: "mx", dedicatedTo: null, served: true },
  },
  {
    row: 2,
    reason: "settings-unusable",
    passed: true,
    text: "the settings of the domain can be read",
    facts: { readable: true, revision: 3 },
  },
  {
    row: 3,
    reason: "tls-required",
    passed: true,
    text: "level require: the session uses TLSv1.3",
    facts: { level: "require", protocol: "TLSv1.3", starttlsOffered: true, exception: null },
  },
  {
    row: 4,
    reason: "tls-too-old",
    passed: true,
    text: "TLSv1.3 is not older than minVersion TLSv1.2",
    facts: { minVersion: "TLSv1.2", protocol: "TLSv1.3" },
  },
  {
    row: 5,
    reason: "client-certificate-missing",
    passed: true,
    text: "mode none: no client certificate is needed",
    facts: { mode: "none", requested: false, presented: false },
  },
  {
    row: 6,
    reason: "client-certificate-untrusted",
    passed: true,
    text: NOT_JUDGED,
    facts: { ...judgedBy, publicRoots: false, trustStores: 0, pins: 0 },
  },
  {
    row: 7,
    reason: "client-certificate-purpose",
    passed: true,
    text: NOT_JUDGED,
    facts: { ...judgedBy, purpose: "clientAuthOrServerAuth" },
  },
  {
    row: 8,
    reason: "client-certificate-name",
    passed: true,
    text: NOT_JUDGED,
    facts: { ...judgedBy, match: "helo", allowed: "none", helo: "mail.example.net", dnsNames: "none" },
  },
];

/** Evaluation of the request's example, at the example's domain and edge. */
export const evaluationExample = ({
  certificateId,
  fingerprintSha256,
}: {
  readonly certificateId: string;
  readonly fingerprintSha256: string;
}): z.input<typeof evaluationResponse> => ({
  verdict: "accept",
  reply: { code: 250, enhanced: "2.1.5", text: "Ok", line: "250 2.1.5 Ok" },
  row: null,
  reason: null,
  exception: null,
  command: "RCPT",
  cases: null,
  explanation: ROWS,
  certificate: {
    source: "settings",
    certificateId,
    version: 1,
    fingerprintsSha256: [fingerprintSha256],
    notAfter: "2027-01-01T08:00:00.000Z",
  },
  clientCertificateRequested: false,
  clientCertificate: {
    result: "absent",
    reason: "the edge requests no client certificate in this handshake",
    presented: null,
  },
  listener: { name: "mx", dedicatedTo: null },
  at: "2026-01-01T08:20:02.000Z",
  revision: 3,
});
