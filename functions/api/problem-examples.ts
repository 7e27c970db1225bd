/** Examples of problems in the OpenAPI document. */

import { type Problem, type ProblemCode, problemText } from "./problem.ts";

const REQUEST_ID = "5f0c3f0a-9a51-4a4e-8b9c-6c1f3f1d2a77";
/** One mistake, with the same text as the problem. */
const mistake = (
  detail: string,
  place: Omit<NonNullable<Problem["issues"]>[number], "message">,
): Omit<Problem, "code"> => ({ detail, issues: [{ ...place, message: detail }] });
/** A mistake of the record in the path as a whole. */
const ofRecord = (code: "in-use" | "already-exists", detail: string): Omit<Problem, "code"> =>
  mistake(detail, { in: "path", pointer: "", code });

/** What the API answers in one case of each problem; problem-examples.test.ts provokes them. */
const EXAMPLES: Readonly<Record<ProblemCode, Omit<Problem, "code">>> = {
  "invalid-request": {
    detail: "The body is not valid.",
    issues: [
      {
        pointer: "/tls/server/level",
        code: "invalid-value",
        message: 'must be one of "none", "accept", "require"',
      },
    ],
  },
  unauthenticated: { detail: "a bearer token is needed: Authorization: Bearer …" },
  "missing-scope": {
    ...mistake("the scope domains:write is needed", {
      in: "header",
      pointer: "/authorization",
      code: "missing-scope",
    }),
    scope: "domains:write",
  },
  "no-access": { detail: "no record gives this IAM principal access" },
  "not-found": { detail: "domain example.org not found" },
  "method-not-allowed": { detail: "this path takes DELETE, GET, HEAD, PATCH, PUT" },
  "request-timeout": { detail: "the request did not arrive in time" },
  "name-taken": mistake("the name example.org is taken", { pointer: "/name", code: "name-taken" }),
  "in-use": ofRecord(
    "in-use",
    "it is used by 1 domain: example.org; delete it with ?replaceWith=<id> of the certificate that its MX hosts serve from then on",
  ),
  "shared-host": mistake(
    "this changes the certificate that 1 other domain serves on mx1.example.org from cert_01KDW0000000000000000000M1 to cert_01KDW0000000000000000000M2; certificateId cert_01KDW0000000000000000000M1 changes nothing for them, and ?sharedHosts=move changes it for all of them",
    { pointer: "/tls/server/certificateId", code: "shared-host" },
  ),
  "host-taken": mistake(
    "MX host mx1.example.org does not belong to this account, so its certificate cannot be set here; leave certificateId null",
    { pointer: "/tls/server/certificateId", code: "host-taken" },
  ),
  "changed-since": mistake(
    'example.org was changed since revision 1 and is at revision 2; repeat with If-Match: "2" to replace it as it is now',
    { in: "path", pointer: "/revision", code: "changed-since" },
  ),
  "not-revertible": mistake(
    "a deleted certificate does not come back, because its keys are deleted; make, order or upload it again",
    { in: "path", pointer: "/revision", code: "not-revertible" },
  ),
  "already-exists": ofRecord("already-exists", "a record with this id exists"),
  unreadable: {
    detail:
      "the stored record at revision 1 cannot be read (domain example.org: item (invalid_type)); it can be replaced as a whole or deleted, with If-Match",
  },
  "request-in-progress": mistake("the first request under this Idempotency-Key has no answer yet", {
    in: "header",
    pointer: "/idempotency-key",
    code: "request-in-progress",
  }),
  "answer-not-kept": mistake(
    "the first request under this Idempotency-Key was carried out, and its answer is not kept: read what it has made",
    { in: "header", pointer: "/idempotency-key", code: "answer-not-kept" },
  ),
  "idempotency-key-reused": mistake("another request was sent under this Idempotency-Key: use a new key", {
    in: "header",
    pointer: "/idempotency-key",
    code: "idempotency-key-reused",
  }),
  gone: {
    detail: "the log begins at revision 121: entries are kept for 90 days",
    issues: [{ in: "query", pointer: "/after", code: "gone", message: "must be at least 120" }],
  },
  "stale-revision": { detail: "the record was changed since it was read" },
  "too-large": mistake("the body is over 1000000 bytes", { pointer: "", code: "too-large" }),
  "unsupported-media-type": {
    detail: "the body must be application/json in UTF-8, without a content coding",
  },
  "rule-violation": mistake("a certificate belongs to MX hosts, and mxHosts is empty", {
    pointer: "/tls/server/certificateId",
    code: "certificate-without-hosts",
  }),
  "quota-exceeded": {
    detail: "the account's quota of domains is 1, and it has 1",
    quota: { quota: "domains", limit: 1, count: 1 },
  },
  "condition-missing": {
    detail: "the record exists: send If-Match with the revision that you have read, or * for any",
  },
  "too-many-attempts": { detail: "too many requests with credentials that are not valid" },
  "rate-limited": { detail: "too many writes by this caller" },
  "header-too-large": { detail: "the header is over 16 KB" },
  internal: { detail: "The log has the cause under this requestId." },
  "storage-full": {
    detail: "there is no room on the disk of the settings database: writes fail until space is free",
  },
  unavailable: { detail: "A service that the API depends on did not answer in time; try again." },
};

/** The problem document of a case of `code`. */
export const problemExample = (code: ProblemCode): unknown =>
  JSON.parse(problemText({ ...EXAMPLES[code], code }, REQUEST_ID));
