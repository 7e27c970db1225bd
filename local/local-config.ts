/** The environment of `npm start`: the variables of the API beside those of the edge. */

import { z } from "zod";
import { type RateLimits, rateLimitsVariable } from "../core/access/rate-limit.ts";
import { type Environment, readBoth, readEnvironment, WrongEnvironment } from "../core/environment.ts";
import {
  dnsResolversVariable,
  dnsWebhookSecretVariable,
  dnsWebhookUrlVariable,
} from "../core/management/challenge-variables.ts";
import {
  acmeDirectoriesVariable,
  type AcmeDirectorySetting,
  acmeEabKeysVariable,
  checkEabKeys,
  type EabHmacKeys,
} from "../core/management/acme-directories.ts";
import {
  type Config,
  type ConfigContext,
  describeConfig,
  hostVariable,
  parseConfig,
  portVariable,
} from "../worker/config/config.ts";
import { type Variable, WORKER_VARIABLES } from "../worker/config/config-variables.ts";

/** Secret: `apiToken`, `eabHmacKeys`, `dnsWebhook.secret`. */
export interface LocalConfig extends Config {
  readonly apiHost: string;
  readonly apiPort: number;
  /** null = the one kept in DATA_DIR. */
  readonly apiToken: string | null;
  readonly rateLimits: RateLimits;
  readonly acmeDirectories: readonly AcmeDirectorySetting[];
  readonly eabHmacKeys: EabHmacKeys;
  /** Publishes the records of dns-01; null = they are shown to the operator. */
  readonly dnsWebhook: { readonly url: string; readonly secret: string } | null;
  /** null = those of the system. */
  readonly dnsResolvers: readonly string[] | null;
}

const API_VARIABLES = {
  API_HOST: { defaultText: "127.0.0.1", meaning: "address of the HTTP API" },
  API_PORT: { defaultText: "8080", meaning: "port of the HTTP API; 0 = any free one" },
  API_TOKEN: {
    defaultText: "made at first start",
    meaning: "bearer token with every scope; kept in DATA_DIR when not given here",
    secret: true,
  },
  API_RATE_LIMITS: {
    defaultText: "{}",
    meaning:
      "JSON over the rate limits of each caller but API_TOKEN: { readsPerSecond: 50, writesPerSecond: 10, burstSeconds: 5 }",
  },
  ACME_DIRECTORIES: {
    defaultText: "{}",
    meaning:
      "JSON: CAs for certificates, { name: { url, contact?: [mailto:], eabKeyId?, caFile? } }; set = their terms of service are agreed to",
  },
  ACME_EAB_HMAC_KEYS: {
    defaultText: "{}",
    meaning: "JSON: { name: HMAC key in base64url } for each of ACME_DIRECTORIES with eabKeyId",
    secret: true,
  },
  DNS_WEBHOOK_URL: {
    defaultText: "none: records are shown in `validation`",
    meaning: "where _acme-challenge TXT records are sent to be published, by POST",
  },
  DNS_WEBHOOK_SECRET: {
    defaultText: "none",
    meaning: "key of the HMAC with which the webhook's requests are signed",
    secret: true,
  },
  DNS_RESOLVERS: {
    defaultText: "those of the system",
    meaning:
      "resolvers that are asked whether a shown record is published: addresses, with or without a port, by comma",
  },
} as const satisfies Readonly<Record<string, Variable>>;

type ApiVariableName = keyof typeof API_VARIABLES;

/** All variables of `npm start`, in the order of `--help`. */
export const LOCAL_VARIABLES = { ...API_VARIABLES, ...WORKER_VARIABLES } as const;

const apiSchema = z.object({
  API_HOST: hostVariable.default("127.0.0.1"),
  API_PORT: portVariable.default(8080),
  API_TOKEN: z
    .string()
    .regex(/^[A-Za-z0-9\-._~+/]{1,512}=*$/, "must be a bearer token (RFC 6750)")
    .optional(),
  API_RATE_LIMITS: rateLimitsVariable,
  ACME_DIRECTORIES: acmeDirectoriesVariable.optional(),
  ACME_EAB_HMAC_KEYS: acmeEabKeysVariable.optional(),
  DNS_WEBHOOK_URL: dnsWebhookUrlVariable.optional(),
  DNS_WEBHOOK_SECRET: dnsWebhookSecretVariable.optional(),
  DNS_RESOLVERS: dnsResolversVariable.optional(),
} satisfies Record<ApiVariableName, z.ZodType>);

function readApi(environment: Environment): z.output<typeof apiSchema> {
  const values = readEnvironment(apiSchema, environment);
  checkEabKeys(values.ACME_DIRECTORIES ?? [], values.ACME_EAB_HMAC_KEYS ?? {});
  webhookOf(values);
  return values;
}

/** @throws WrongEnvironment when one of both is missing: an unsigned request would publish for any sender. */
function webhookOf({
  DNS_WEBHOOK_URL: url,
  DNS_WEBHOOK_SECRET: secret,
}: z.output<typeof apiSchema>): LocalConfig["dnsWebhook"] {
  if (url === undefined && secret === undefined) return null;
  if (url !== undefined && secret !== undefined) return { url, secret };
  const [variable, other] =
    url === undefined ? ["DNS_WEBHOOK_URL", "DNS_WEBHOOK_SECRET"] : ["DNS_WEBHOOK_SECRET", "DNS_WEBHOOK_URL"];
  throw new WrongEnvironment([{ variable, reason: `is not set, and ${other} is` }]);
}

/**
 * Reads the environment. Without HEALTH_HOST the health server is on API_HOST.
 *
 * @throws WrongEnvironment that names every wrong variable.
 */
export function parseLocalConfig(environment: Environment, context: ConfigContext): LocalConfig {
  const [api, edge] = readBoth(
    () => readApi(environment),
    () => parseConfig(environment, context),
  );
  return Object.freeze({
    ...edge,
    ...(environment["HEALTH_HOST"] ? {} : { healthHost: api.API_HOST, healthHostVariable: "API_HOST" }),
    apiHost: api.API_HOST,
    apiPort: api.API_PORT,
    apiToken: api.API_TOKEN ?? null,
    rateLimits: api.API_RATE_LIMITS,
    acmeDirectories: api.ACME_DIRECTORIES ?? [],
    eabHmacKeys: api.ACME_EAB_HMAC_KEYS ?? {},
    dnsWebhook: webhookOf(api),
    dnsResolvers: api.DNS_RESOLVERS ?? null,
  });
}

/** The configuration for the start's log line: by variable, without secrets. */
export function describeLocalConfig(
  config: LocalConfig,
): Readonly<Record<keyof typeof LOCAL_VARIABLES, unknown>> {
  return {
    API_HOST: config.apiHost,
    API_PORT: config.apiPort,
    API_TOKEN: config.apiToken === null ? "kept in DATA_DIR" : "given",
    API_RATE_LIMITS: config.rateLimits,
    ACME_DIRECTORIES: config.acmeDirectories,
    ACME_EAB_HMAC_KEYS: Object.keys(config.eabHmacKeys),
    DNS_WEBHOOK_URL: config.dnsWebhook?.url ?? null,
    DNS_WEBHOOK_SECRET: config.dnsWebhook === null ? null : "given",
    DNS_RESOLVERS: config.dnsResolvers,
    ...describeConfig(config),
  };
}

/** Text of `npm start -- --help`. */
export function helpText(): string {
  const rows = Object.entries(LOCAL_VARIABLES).map(
    ([name, { defaultText, meaning }]) =>
      `  ${name.padEnd(26)} ${meaning}\n  ${"".padEnd(26)} default: ${defaultText}`,
  );
  return [
    "Postern: the gate for incoming mail. API and SMTP worker in one process, settings kept in DATA_DIR.",
    "",
    "  npm start            starts it; stops on SIGTERM and Ctrl-C with no message lost",
    "  npm start -- --new   the same with empty settings, where DATA_DIR was used and its settings database is gone",
    "  npm start -- --help  this page",
    "",
    "Variables of the environment; a wrong one stops the start (exit code 78) with its name and the reason:",
    "",
    ...rows,
    "",
  ].join("\n");
}
