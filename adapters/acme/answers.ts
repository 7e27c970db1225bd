/** Resources of ACME as a CA sends them, read strictly (RFC 8555 section 7.1, RFC 9773 section 4.2). */

import { z } from "zod";
import { type Timestamp, timestamp } from "../../core/clock.ts";
import { toDomainName } from "../../core/name/domain-name.ts";
import { CHALLENGE_TOKEN } from "../../core/management/acme-ca.ts";
import { parseStoredJson } from "../../core/stored-json.ts";
import { Unavailable } from "../../core/errors.ts";
import { toPlainText } from "../../core/plain-text.ts";
import type { HttpsAnswer } from "./https-exchange.ts";
import { problemSchema, shownProblem } from "./problems.ts";

/** URLs are stored, one for each name of an order. */
const MAX_URL = 512;
/** Bounds of lists: those of a CA are much shorter. */
const MAX = { authorizations: 200, challenges: 20, profiles: 50, caaIdentities: 20 } as const;
const PROFILE = /^[\x21-\x7e]{1,64}$/;

const httpsUrl = z
  .string()
  .max(MAX_URL)
  .refine((text) => URL.canParse(text));

const time = z
  .string()
  .max(40)
  .transform((text, context): Timestamp => {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return timestamp(ms);
    context.addIssue({ code: "custom" });
    return z.NEVER;
  });

const problem = problemSchema.transform(shownProblem).nullable().catch(null);

/** What of a directory's metadata does not fit is left out: a CA with an odd list can still issue. */
const metaSchema = z.object({
  caaIdentities: z.array(z.string().max(253)).max(MAX.caaIdentities).catch([]),
  profiles: z
    .record(z.string(), z.unknown())
    .transform((profiles) =>
      Object.keys(profiles)
        .filter((name) => PROFILE.test(name))
        .slice(0, MAX.profiles),
    )
    .catch([]),
});

export const directorySchema = z.object({
  newNonce: httpsUrl,
  newAccount: httpsUrl,
  newOrder: httpsUrl,
  renewalInfo: httpsUrl.optional(),
  meta: z.object({}).loose().catch({}).pipe(metaSchema),
});

export type DirectoryResource = z.output<typeof directorySchema>;

export const accountSchema = z.object({ status: z.enum(["valid", "deactivated", "revoked"]) });

export const orderSchema = z.object({
  status: z.enum(["pending", "ready", "processing", "valid", "invalid"]),
  authorizations: z.array(httpsUrl).max(MAX.authorizations),
  finalize: httpsUrl,
  certificate: httpsUrl.nullish().transform((url) => url ?? null),
  error: problem,
});

const challengeSchema = z.object({
  type: z.string().transform((type) => toPlainText(type, 64)),
  url: httpsUrl,
  status: z.enum(["pending", "processing", "valid", "invalid"]),
  token: z.string().regex(CHALLENGE_TOKEN).nullable().catch(null),
  error: problem,
});

const hostName = z
  .string()
  .max(254)
  .transform((text, context) => {
    const name = toDomainName(text);
    if (name !== null) return name;
    context.addIssue({ code: "custom" });
    return z.NEVER;
  });

export const authorizationSchema = z.object({
  identifier: z.object({ type: z.literal("dns"), value: hostName }),
  wildcard: z.boolean().optional(),
  status: z.enum(["pending", "valid", "invalid", "deactivated", "expired", "revoked"]),
  challenges: z.array(challengeSchema).max(MAX.challenges),
});

export const renewalInfoSchema = z
  .object({ suggestedWindow: z.object({ start: time, end: time }) })
  .refine(({ suggestedWindow: { start, end } }) => start < end);

/** @param who the CA in messages. @throws Unavailable when the answer is not such a resource. */
export function readAnswer<Schema extends z.ZodType>(
  schema: Schema,
  answer: HttpsAnswer,
  who: string,
): z.output<Schema> {
  const parsed = schema.safeParse(parseStoredJson(answer.body));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : `: ${issue.path.join(".")}`;
  throw new Unavailable(`${who} sent an answer that is not ACME (RFC 8555)${toPlainText(where, 100)}`);
}
