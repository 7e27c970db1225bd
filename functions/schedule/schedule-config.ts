import * as z from "zod";
import { acmeDirectoriesVariable, DIRECTORY_NAME } from "../../core/management/acme-directories.ts";
import {
  dnsResolversVariable,
  dnsWebhookUrlVariable,
  route53ZonesVariable,
} from "../../core/management/challenge-variables.ts";

/** Name of a parameter of Parameter Store. */
const PARAMETER = /^\/[\w./-]{1,1000}$/;
const MAX_PARAMETERS = 20;

const parameterVariable = z
  .string()
  .regex(PARAMETER, "must be the name of a parameter with its slash: /name");

/** Form of `ACME_EAB_PARAMETERS`: `<directory>=/<parameter>`, by comma. */
const eabParametersVariable = z.string().transform((text, context): Readonly<Record<string, string>> => {
  const entries = text.split(",").map((entry) => entry.trim().split("="));
  const isRight =
    entries.length <= MAX_PARAMETERS &&
    entries.every(
      ([name = "", parameter = "", ...more]) =>
        DIRECTORY_NAME.test(name) && PARAMETER.test(parameter) && more.length === 0,
    ) &&
    new Set(entries.map(([name]) => name)).size === entries.length;
  if (isRight) return Object.fromEntries(entries.map(([name = "", parameter = ""]) => [name, parameter]));
  context.addIssue({
    code: "custom",
    message: `must be <directory>=/<parameter>, by comma, each directory once, at most ${MAX_PARAMETERS}`,
  });
  return z.NEVER;
});

/** Variables of issuance on AWS, beside those of the adapters and the SDK. infra/ parses by it too. */
export const scheduleConfigSchema = z.object({
  ACME_DIRECTORIES: acmeDirectoriesVariable.optional(),
  /** Where the HMAC keys of external account binding are: SecureStrings. */
  ACME_EAB_PARAMETERS: eabParametersVariable.optional(),
  ROUTE53_ZONES: route53ZonesVariable.optional(),
  DNS_WEBHOOK_URL: dnsWebhookUrlVariable.optional(),
  /** A SecureString with the secret of the webhook. */
  DNS_WEBHOOK_SECRET_PARAMETER: parameterVariable.optional(),
  DNS_RESOLVERS: dnsResolversVariable.optional(),
});
