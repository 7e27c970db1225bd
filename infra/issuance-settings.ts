import { scheduleConfigSchema } from "../functions/schedule/schedule-config.ts";
import type { Route53Zone } from "../core/management/challenge-variables.ts";

/** Variables of the schedule's function that are handed on, as they were given. */
const PASSED_ON = [
  "ACME_DIRECTORIES",
  "ACME_EAB_PARAMETERS",
  "ROUTE53_ZONES",
  "DNS_WEBHOOK_URL",
  "DNS_WEBHOOK_SECRET_PARAMETER",
  "DNS_RESOLVERS",
] as const;
type PassedOn = (typeof PASSED_ON)[number];
type IssuanceVariable = `POSTERN_${PassedOn}` | "POSTERN_ISSUANCE_KMS_KEY";

/** How certificates are ordered from ACME CAs, and how their names are proved. */
export interface IssuanceSettings {
  readonly environment: Readonly<Partial<Record<PassedOn, string>>>;
  /** CAs by name, with their URL. */
  readonly directories: Readonly<Record<string, string>>;
  readonly zones: readonly Route53Zone[];
  /** SecureStrings that the schedule reads. */
  readonly parameters: readonly string[];
  /** ARN of the KMS key of the SecureStrings; null = AWS's own. */
  readonly key: string | null;
}

export interface IssuanceInput {
  readonly given: (name: IssuanceVariable) => string | null;
  /** ARN of a KMS key, or null. */
  readonly key: string | null;
  readonly wrong: (name: IssuanceVariable, reason: string) => Error;
}

/** @throws the error that `wrong` returns */
export function readIssuance({ given, key, wrong }: IssuanceInput): IssuanceSettings {
  const environment = Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = given(`POSTERN_${name}`);
      return value === null ? [] : [[name, value]];
    }),
  ) as IssuanceSettings["environment"];
  const parsed = scheduleConfigSchema.safeParse(environment);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw wrong(`POSTERN_${String(issue?.path[0])}` as IssuanceVariable, issue?.message ?? "is not valid");
  }
  const { data } = parsed;
  const directories = data.ACME_DIRECTORIES ?? [];
  const eab = data.ACME_EAB_PARAMETERS ?? {};
  const withFile = directories.find(({ caFile }) => caFile !== null);
  if (withFile !== undefined)
    throw wrong("POSTERN_ACME_DIRECTORIES", `${withFile.name}.caFile: a function has no such file`);
  const bound = directories.filter(({ eabKeyId }) => eabKeyId !== null).map(({ name }) => name);
  const missing = bound.find((name) => !Object.hasOwn(eab, name));
  if (missing !== undefined)
    throw wrong("POSTERN_ACME_EAB_PARAMETERS", `has no parameter for ${missing}, which has eabKeyId`);
  const unused = Object.keys(eab).find((name) => !bound.includes(name));
  if (unused !== undefined)
    throw wrong("POSTERN_ACME_EAB_PARAMETERS", `${unused} is no directory with eabKeyId`);
  const secret = data.DNS_WEBHOOK_SECRET_PARAMETER;
  if ((data.DNS_WEBHOOK_URL === undefined) !== (secret === undefined))
    throw wrong(
      "POSTERN_DNS_WEBHOOK_SECRET_PARAMETER",
      "and POSTERN_DNS_WEBHOOK_URL: only both or none of them",
    );
  const parameters = [...Object.values(eab), ...(secret === undefined ? [] : [secret])];
  if (key !== null && parameters.length === 0)
    throw wrong("POSTERN_ISSUANCE_KMS_KEY", "means nothing without a parameter with a secret");
  return {
    environment,
    directories: Object.fromEntries(directories.map(({ name, url }) => [name, url])),
    zones: data.ROUTE53_ZONES ?? [],
    parameters: [...new Set(parameters)],
    key,
  };
}
