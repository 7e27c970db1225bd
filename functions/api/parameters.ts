/** Schemas of path and query parameters. */

import { z } from "@hono/zod-openapi";
import { RuleViolation } from "../../core/errors.ts";
import { CAPS } from "../../core/limits.ts";
import type { WantedLabel } from "../../core/management/filtered-page.ts";
import type { ChangeListing } from "../../core/management/change-log.ts";
import type { ChangeWait } from "../../core/management/change-service.ts";
import type { RevisionWait } from "../../core/management/status-service.ts";
import type { Waiter } from "../../core/management/waiting-room.ts";
import { checkTimestamp, PATTERNS } from "../../core/management/text-formats.ts";
import { RECORD_KINDS } from "../../core/store/store.ts";
import { checked, domainNameInput } from "../../core/management/input-fields.ts";

export const nameParameter = z.object({ name: domainNameInput });

export const idParameter = z.object({
  id: z.string().min(1).max(100).openapi({ description: "id of the record, as answers have it" }),
});

/** An ARN has at most 2048 characters. */
const MAX_ACTOR = 2_048;

/** A whole number as a query writes it: digits, nothing that Number() would also take. */
const digits = (pattern: RegExp, message: string) => z.string().regex(pattern, message).transform(Number);

const limit = digits(/^(?:[1-9]|[1-9]\d|1\d\d|200)$/, `must be a whole number from 1 to ${CAPS.pageSize}`)
  .default(CAPS.defaultPageSize)
  .openapi({
    type: "integer",
    minimum: 1,
    maximum: CAPS.pageSize,
    default: CAPS.defaultPageSize,
    description: "most items of the page; it may have fewer",
  });

/** Any revision that there can be. */
export const revisionQuery = digits(/^\d{1,15}$/, "must be a revision: a whole number").openapi({
  type: "integer",
  minimum: 0,
  maximum: 999_999_999_999_999,
});

export const revisionParameter = z.object({
  revision: revisionQuery.openapi({ description: "revision of the change, as the change log has it" }),
});

const seconds = (least: number) =>
  digits(
    new RegExp(least === 0 ? "^(?:[0-9]|1[0-9]|2[0-5])$" : "^(?:[1-9]|1[0-9]|2[0-5])$"),
    `must be a whole number of seconds from ${least} to ${MOST_SECONDS}`,
  );

/** API Gateway ends a request after 30 s. */
const MOST_SECONDS = 25;
const DEFAULT_SECONDS = 10;

/** Wait of a status for a revision. */
export const waitForQuery = z.strictObject({
  waitFor: revisionQuery.optional().openapi({
    description:
      "answers as soon as every live edge enforces this revision, or with applied: false at the timeout; 422 for one that has not been reached",
  }),
  timeout: seconds(1)
    .optional()
    .openapi({
      type: "integer",
      minimum: 1,
      maximum: MOST_SECONDS,
      description: `seconds of waitFor; ${DEFAULT_SECONDS} when left out`,
    }),
});

/**
 * null = the request does not wait.
 * @throws RuleViolation for a timeout without waitFor
 */
export function waitOf(
  { waitFor, timeout }: z.output<typeof waitForQuery>,
  waiter: Waiter,
): RevisionWait | null {
  if (waitFor !== undefined) {
    const timeoutMs = (timeout ?? DEFAULT_SECONDS) * 1000;
    return { ...waiter, revision: waitFor, timeoutMs };
  }
  if (timeout === undefined) return null;
  const message = "needs waitFor";
  throw new RuleViolation([{ in: "query", pointer: "/timeout", code: "timeout-without-revision", message }]);
}

/** Wait of the change log for its next entry. */
export const changeWaitQuery = seconds(0).openapi({
  type: "integer",
  minimum: 0,
  maximum: MOST_SECONDS,
  description:
    "seconds to wait for an entry where there is none yet; needs after, and order asc without before. nextCursor is then always set: the after of the next request",
});

/**
 * null = the request does not wait.
 * @throws RuleViolation for a wait that has no end of the log to wait at
 */
export function changeWaitOf(
  {
    wait,
    after,
    before,
    order,
  }: Pick<ChangeListing, "after" | "before" | "order"> & { wait?: number | undefined },
  waiter: Waiter,
): ChangeWait | null {
  if (wait === undefined) return null;
  if (after !== undefined && before === undefined && order === "asc")
    return { ...waiter, timeoutMs: wait * 1000 };
  const message = "needs after, and order asc without before";
  throw new RuleViolation([{ in: "query", pointer: "/wait", code: "wait-without-after", message }]);
}

export const actorQuery = z
  .string()
  .min(1)
  .max(MAX_ACTOR)
  .openapi({ description: "only entries of this caller, as entries name it" });

export const timeQuery = checked(checkTimestamp).openapi({
  type: "string",
  format: "date-time",
  pattern: PATTERNS.timestamp,
});

/** A record as the change log names it: `domain/example.com`. */
export const resourceQuery = z
  .string()
  .max(300)
  .regex(
    new RegExp(`^(?:${RECORD_KINDS.join("|")})/[\\w.-]+$`),
    "must be domain/, certificate/ or trust-store/ and a name or id",
  )
  .transform((text) => {
    const [kind = "", id = ""] = text.split("/");
    return { kind: RECORD_KINDS.find((each) => each === kind) ?? "domain", id };
  })
  .openapi({
    description: "only changes of this record, such as domain/example.com, and of what it shows",
  });

/** Query of a list: strict, since a misspelt filter would show everything. */
export const pageQuery = {
  limit,
  cursor: z
    .string()
    .max(2_000)
    .optional()
    .openapi({ description: "nextCursor of the previous page; absent = the first page" }),
};
export const limitQuery = { limit };

const LABEL =
  PATTERNS.labelName.slice(0, -1) +
  PATTERNS.plainText.replace(/^\^(.*)\*\$$/, `(?:=$1{0,${CAPS.labelValueCharacters}})?$`);

/** Filter of a list by labels. */
export const labelQuery = {
  label: z
    .preprocess(
      (given) => (typeof given === "string" ? [given] : given),
      z
        .array(z.string().regex(new RegExp(LABEL), "must be the name of a label, or name=value"))
        .max(CAPS.labels),
    )
    .optional()
    .openapi({
      description:
        "only records with this label: its name, or name=value; repeated, only those with all of them. A page may be short or empty while nextCursor is set",
    }),
};

export const wantedLabels = (texts: readonly string[] = []): WantedLabel[] =>
  texts.map((text) => {
    const at = text.indexOf("=");
    return at === -1 ? { name: text } : { name: text.slice(0, at), value: text.slice(at + 1) };
  });

export const rawQuery = z.strictObject({
  raw: z.literal("true").optional().openapi({
    description:
      "the record as it is stored, as text/plain, whether it can be read or not; needs the scope operator",
  }),
});

export const sharedHostsQuery = z.strictObject({
  sharedHosts: z.literal("move").optional().openapi({
    description: "also change the certificate that other domains of the account serve on these MX hosts",
  }),
});

export const replaceWithQuery = z.strictObject({
  replaceWith: z.string().min(1).max(100).optional().openapi({
    description:
      "id of a certificate that covers every MX host that serves this one: they serve it from then on, by the same change",
  }),
});
