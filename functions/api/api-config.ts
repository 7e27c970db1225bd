import { createSecureContext } from "node:tls";
import * as z from "zod";
import { acmeDirectoriesVariable } from "../../core/management/acme-directories.ts";
import { CLAIM_NAME } from "../../core/access/claim-name.ts";
import { rateLimitsVariable } from "../../core/access/rate-limit.ts";
import { dnsResolversVariable } from "../../core/management/challenge-variables.ts";
import { DEFAULT_ACCESS } from "../../core/access/principal-arn.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";

/**
 * Who the callers of a stage are: signed by AWS's SigV4, holders of a token of the stage's identity provider,
 * or holders of a token of this API, which the function itself checks.
 */
export const API_AUTHS = ["iam", "jwt", "token"] as const;
export type ApiAuth = (typeof API_AUTHS)[number];
/** What an authorizer of API Gateway checks. */
export type GatewayAuth = Exclude<ApiAuth, "token">;

const LOG_LEVELS = ["info", "error", "silent"] as const;

function areKnown(ciphers: string): boolean {
  try {
    createSecureContext({ ciphers });
    return true;
  } catch {
    return false;
  }
}

const defaultAccessVariable = z
  .enum(DEFAULT_ACCESS, `must be ${DEFAULT_ACCESS.join(" or ")}`)
  .default("operator");

const claimName = z.string().regex(CLAIM_NAME, "must be the name of a claim");

const jwtClaimVariables = {
  /** Unset = every subject acts in the account default. */
  API_JWT_ACCOUNT_CLAIM: claimName.optional(),
  API_JWT_SCOPE_CLAIM: claimName.default("scope"),
};

/** The API's own variables on AWS, beside those of the adapters and the SDK's `AWS_*`. */
export const apiConfigSchema = z.object({
  API_AUTH: z.enum(API_AUTHS, "must be iam, jwt or token").default("iam"),
  /** What an IAM caller without a principal's record may do. */
  API_DEFAULT_ACCESS: defaultAccessVariable,
  ...jwtClaimVariables,
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
  /** Requests a second of each caller, in each instance of the function. */
  API_RATE_LIMITS: rateLimitsVariable,
  /** Resolvers of `_postern` records; unset = those of the system. */
  DNS_RESOLVERS: dnsResolversVariable.optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
});
