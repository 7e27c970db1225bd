/** Configuration of an edge, parsed from its environment. */

import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { createSecureContext } from "node:tls";
import { z } from "zod";
import type { DeliveryRoute } from "../../core/delivery/delivery.ts";
import {
  type DeliveryAllow,
  NOTHING_ALLOWED,
  parseDeliveryAllow,
} from "../../core/delivery/delivery-allow.ts";
import type { LongLines } from "../../core/delivery/line-ends.ts";
import { mailboxText, type Mailbox } from "../../core/name/mailbox.ts";
import { describeRoute, parseOperatorDelivery } from "../../core/delivery/route.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";
import { type Environment, readEnvironment, WrongEnvironment } from "../../core/environment.ts";
import { InvalidInput } from "../../core/errors.ts";
import { LOG_LEVELS, type LogLevel } from "../../core/log-event.ts";
import type { VariableName } from "./config-variables.ts";
import { parseLimits, type Limits } from "./limits.ts";
import { parseListeners, type EdgeListener } from "./listener-config.ts";

export const LINE_ENDS = ["refuse", "normalise"] as const;
export type LineEnds = (typeof LINE_ENDS)[number];

const LONG_LINES = ["pass", "refuse"] as const satisfies readonly LongLines[];

/** An edge's environment, parsed. Secret: credentials inside `delivery`. */
export interface Config {
  readonly listeners: readonly EdgeListener[];
  readonly smtpName: DomainName;
  readonly postmaster: Mailbox | null;
  readonly healthHost: string;
  /** Name of the variable that `healthHost` comes from, for an error. */
  readonly healthHostVariable: string;
  readonly healthPort: number;
  /** Absolute. */
  readonly dataDir: string;
  readonly delivery: DeliveryRoute;
  readonly deliveryAllow: DeliveryAllow;
  readonly pollIntervalMs: number;
  readonly limits: Limits;
  /** null = the edge's own choice. */
  readonly tlsCiphers: string | null;
  readonly lineEnds: LineEnds;
  readonly longLines: LongLines;
  readonly sessionLog: SessionLogging;
  /** null = no metrics go to the log. */
  readonly metricsNamespace: string | null;
  readonly logLevel: LogLevel;
}

/** The machine as an argument. */
export interface ConfigContext {
  readonly cwd: string;
  /** The FQDN, or null when the machine has none. */
  readonly hostName: string | null;
}

const text = z.string();
/** Form of a variable that is a port. */
export const portVariable = text
  .regex(/^\d{1,5}$/, "must be a port number from 0 to 65535")
  .transform(Number)
  .refine((number) => number <= 65_535, "must be a port number from 0 to 65535");
/** Form of a variable that is an address, or the name of one. */
export const hostVariable = text.refine(
  (value) => isIP(value) !== 0 || toDomainName(value) !== null,
  "must be an IP address or a host name",
);

/** A text read by `parse`; what that throws as InvalidInput is the reason. */
function read<T>(parse: (value: string) => T): z.ZodPipe<z.ZodString, z.ZodTransform<T, string>> {
  return text.transform((value, context): T => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  });
}

/**
 * Values as they stand in the environment. Defaults that need another variable are filled in by
 * `parseConfig`.
 */
const schema = z.object({
  SMTP_HOST: hostVariable.default("127.0.0.1"),
  SMTP_PORT: portVariable.default(2525),
  SMTP_LISTENERS: text.default("[]"),
  SMTP_NAME: read(parseSmtpName).optional(),
  POSTMASTER: read(parseMailbox).optional(),
  HEALTH_HOST: hostVariable.default("127.0.0.1"),
  HEALTH_PORT: portVariable.default(8081),
  DATA_DIR: text.refine((path) => !path.includes("\0"), "must be a path").default("./.data"),
  DELIVERY: read((value) => parseOperatorDelivery(value)).optional(),
  DELIVERY_ALLOW: read((value) => parseDeliveryAllow(value)).default(NOTHING_ALLOWED),
  SETTINGS_POLL_INTERVAL_MS: text
    .regex(/^\d{1,6}$/, "must be a whole number from 50 to 60000")
    .transform(Number)
    .refine((ms) => ms >= 50 && ms <= 60_000, "must be a whole number from 50 to 60000")
    .default(1_000),
  LIMITS: read(parseLimits).default(parseLimits("{}")),
  TLS_CIPHERS: read(parseCiphers).optional(),
  LINE_ENDS: z.enum(LINE_ENDS, `must be one of ${LINE_ENDS.join(", ")}`).default("refuse"),
  LONG_LINES: z.enum(LONG_LINES, `must be one of ${LONG_LINES.join(", ")}`).default("pass"),
  SESSION_LOG: read(parseSessionLogging).default("all"),
  // CloudWatch's rule for names of namespaces; those of AWS itself begin with AWS/.
  METRICS_EMF: text
    .regex(
      /^(?!AWS\/|:)[A-Za-z0-9.\-_/#:]{1,255}$/,
      "must be a namespace of CloudWatch, such as Postern/production",
    )
    .optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
} satisfies Record<VariableName, z.ZodType>);

/**
 * Reads the environment. An empty variable counts as not set.
 *
 * @throws WrongEnvironment that names every wrong variable.
 */
export function parseConfig(environment: Environment, { cwd, hostName }: ConfigContext): Config {
  const values = readEnvironment(schema, environment);
  const dataDir = resolve(cwd, values.DATA_DIR);
  return Object.freeze({
    listeners: listenersOf(values),
    smtpName: values.SMTP_NAME ?? toDomainName(hostName ?? "") ?? parseSmtpName("localhost"),
    postmaster: values.POSTMASTER ?? null,
    healthHost: values.HEALTH_HOST,
    healthHostVariable: "HEALTH_HOST",
    healthPort: values.HEALTH_PORT,
    dataDir,
    delivery: absoluteRoute(values.DELIVERY ?? { kind: "maildir", directory: join(dataDir, "mail") }, cwd),
    deliveryAllow: values.DELIVERY_ALLOW,
    pollIntervalMs: values.SETTINGS_POLL_INTERVAL_MS,
    limits: values.LIMITS,
    tlsCiphers: values.TLS_CIPHERS ?? null,
    lineEnds: values.LINE_ENDS,
    longLines: values.LONG_LINES,
    sessionLog: values.SESSION_LOG,
    metricsNamespace: values.METRICS_EMF ?? null,
    logLevel: values.LOG_LEVEL,
  });
}

/** The configuration for the start's log line: by variable, without secrets. */
export function describeConfig(config: Config): Readonly<Record<VariableName, unknown>> {
  const [shared, ...more] = config.listeners;
  return {
    SMTP_HOST: shared?.host,
    SMTP_PORT: shared?.port,
    SMTP_LISTENERS: more,
    SMTP_NAME: config.smtpName,
    POSTMASTER: config.postmaster === null ? null : mailboxText(config.postmaster),
    HEALTH_HOST: config.healthHost,
    HEALTH_PORT: config.healthPort,
    DATA_DIR: config.dataDir,
    DELIVERY: describeRoute(config.delivery),
    DELIVERY_ALLOW: [...config.deliveryAllow.networks, ...config.deliveryAllow.names],
    SETTINGS_POLL_INTERVAL_MS: config.pollIntervalMs,
    LIMITS: config.limits,
    TLS_CIPHERS: config.tlsCiphers,
    LINE_ENDS: config.lineEnds,
    LONG_LINES: config.longLines,
    SESSION_LOG: describeSessionLogging(config.sessionLog),
    METRICS_EMF: config.metricsNamespace,
    LOG_LEVEL: config.logLevel,
  };
}

function listenersOf(values: z.output<typeof schema>): readonly EdgeListener[] {
  const shared = {
    name: "smtp",
    host: values.SMTP_HOST,
    port: values.SMTP_PORT,
    dedicatedTo: null,
    proxyFrom: null,
  };
  try {
    return [shared, ...parseListeners(values.SMTP_LISTENERS, shared)];
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new WrongEnvironment([{ variable: "SMTP_LISTENERS", reason: error.message }]);
  }
}

function absoluteRoute(route: DeliveryRoute, cwd: string): DeliveryRoute {
  return route.kind === "maildir" ? { ...route, directory: resolve(cwd, route.directory) } : route;
}

function parseSmtpName(value: string): DomainName {
  const name = toDomainName(value);
  if (name === null) throw new InvalidInput("must be a host name");
  return name;
}

/** A mailbox of RFC 5321 with a dot-string before the @; the local part stays byte for byte. */
function parseMailbox(value: string): Mailbox {
  const match = /^(?<localPart>[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64})@(?<domain>[^@]+)$/.exec(value);
  const domain = toDomainName(match?.groups?.["domain"] ?? "");
  const localPart = match?.groups?.["localPart"];
  if (localPart === undefined || domain === null)
    throw new InvalidInput("must be a mailbox such as admin@example.com");
  return { localPart, domain };
}

function parseCiphers(value: string): string {
  try {
    createSecureContext({ ciphers: value });
    return value;
  } catch {
    throw new InvalidInput("OpenSSL knows no cipher suite in it");
  }
}

const SESSION_LOG_FORMS = "must be all, problems, or 1/n with n from 2 to 1000000";

/** @throws InvalidInput */
export function parseSessionLogging(value: string): SessionLogging {
  if (value === "all" || value === "problems") return value;
  const digits = /^1\/(?<count>[1-9]\d{0,6})$/.exec(value)?.groups?.["count"];
  const oneIn = Number(digits);
  if (digits === undefined || oneIn < 2 || oneIn > 1_000_000) throw new InvalidInput(SESSION_LOG_FORMS);
  return { oneIn };
}

const describeSessionLogging = (logging: SessionLogging): string =>
  typeof logging === "string" ? logging : `1/${String(logging.oneIn)}`;

/** Of which sessions a line is logged; those with a problem always have one. */
export type SessionLogging = "all" | "problems" | { readonly oneIn: number };
