import { createSecureContext } from "node:tls";
import * as z from "zod";
import { acmeDirectoriesVariable } from "../../core/management/acme-directories.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";

/**
 * Who the callers of a stage are: signed by AWS's SigV4, or holders of a token of the stage's identity
 * provider.
 */
export const API_AUTHS = ["iam", "jwt"] as const;
export type ApiAuth = (typeof API_AUTHS)[number];

const LOG_LEVELS = ["info", "error", "silent"] as const;

function areKnown(ciphers: string): boolean {
  try {
    createSecureContext({ ciphers });
    return true;
  } catch {
    return false;
  }
}

/** The API's own variables on AWS, beside those of the adapters and the SDK's `AWS_*`. */
export const apiConfigSchema = z.object({
  /** What the stage's authorizer checks. */
  API_AUTH: z.enum(API_AUTHS, "must be iam or jwt").default("iam"),
  /** The edges' own name: what their default certificate carries belongs to the operator. */
  SMTP_NAME: z.string().transform((text, context): DomainName => {
    const name = toDomainName(text);
    if (name !== null) return name;
    context.addIssue({ code: "custom", message: "must be a host name" });
    return z.NEVER;
  }),
  /** The edges' own: what is written must load there. */
  TLS_CIPHERS: z.string().refine(areKnown, "OpenSSL knows no cipher suite in it").optional(),
  /** The API takes orders at these by name, and makes no request to them. */
  ACME_DIRECTORIES: acmeDirectoriesVariable.optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
});
