/** What a CA refuses, from its answers (RFC 8555 section 6.7, RFC 9457). */

import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import {
  AcmeProblem,
  type AcmeSubproblem,
  AcmeUnavailable,
  problemText,
} from "../../core/management/acme-ca.ts";
import { cutText, toPlainText } from "../../core/plain-text.ts";
import { parseStoredJson } from "../../core/stored-json.ts";
import type { HttpsAnswer } from "./https-exchange.ts";
import { retryAfterMs } from "./retry-after.ts";

const TYPE_PREFIX = "urn:ietf:params:acme:error:";
/** Bounds of a CA's text: it is stored with the certificate and shown. */
const CHARACTERS = { type: 100, name: 253, detail: 500, problem: 1000 } as const;
const MAX_SUBPROBLEMS = 20;

const text = (limit: number): z.ZodType<string> =>
  z
    .string()
    .catch("")
    .transform((value) => toPlainText(value, limit));

const problemType = text(CHARACTERS.type + TYPE_PREFIX.length).transform(
  (type) => type.replace(TYPE_PREFIX, "") || "about:blank",
);

/** A problem document, read as far as it can be: one wrong member does not hide the others. */
export const problemSchema = z
  .object({
    type: problemType,
    detail: text(CHARACTERS.detail),
    subproblems: z
      .array(
        z.object({
          identifier: z
            .object({ value: text(CHARACTERS.name) })
            .nullable()
            .catch(null),
          type: problemType,
          detail: text(CHARACTERS.detail),
        }),
      )
      .catch([]),
  })
  .transform(({ subproblems, ...problem }) => ({
    ...problem,
    subproblems: subproblems
      .slice(0, MAX_SUBPROBLEMS)
      .map(({ identifier, ...each }): AcmeSubproblem => ({ name: identifier?.value || null, ...each })),
  }));

/** In one line for people, of bounded length. */
export const shownProblem = (problem: z.output<typeof problemSchema>): string =>
  cutText(problemText(problem), CHARACTERS.problem);

/** Of an answer that is no success. @param who the CA in messages. */
export function refusalOf(answer: HttpsAnswer, who: string, clock: Clock): AcmeProblem | AcmeUnavailable {
  const { status } = answer;
  const after = retryAfterMs(answer.headers["retry-after"], clock);
  const isDocument = /^application\/(?:problem\+)?json\b/i.test(answer.headers["content-type"] ?? "");
  const document = problemSchema.safeParse(isDocument ? parseStoredJson(answer.body) : null);
  if (document.success) return new AcmeProblem({ ...document.data, status, retryAfterMs: after });
  const said = `${who} answered with HTTP status ${String(status)}`;
  // Without a document it is a proxy's or a load balancer's, or the URL is no ACME directory.
  if (status < 400 || status >= 500) return new AcmeUnavailable(said, after);
  const type = status === 429 ? "rateLimited" : "about:blank";
  return new AcmeProblem({ type, detail: said, status, retryAfterMs: after, subproblems: [] });
}
