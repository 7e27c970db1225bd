/** Limits of an edge: names, defaults, units and reasons. */

import { z } from "zod";
import { InvalidInput, type Issue } from "../../core/errors.ts";

interface LimitRow {
  readonly unit: "ms" | "bytes" | "bytes/s" | "count" | "count/minute";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** Why there is such a limit, and where the number comes from. */
  readonly reason: string;
}

const HOUR_MS = 3_600_000;

/**
 * Every limit of the edge, by the names that `LIMITS` overrides. The one table there is;
 * docs/configuration.md shows it.
 */
export const LIMIT_TABLE = {
  greetingDelayMs: {
    unit: "ms",
    default: 0,
    min: 0,
    max: 60_000,
    reason:
      "above 0, clients that send before the greeting are disconnected: RFC 5321 section 3.1 requires them to wait",
  },
  proxyHeaderMs: {
    unit: "ms",
    default: 3_000,
    min: 1,
    max: 60_000,
    reason: "a proxy sends its header at once",
  },
  clientHelloMs: {
    unit: "ms",
    default: 5_000,
    min: 1,
    max: 60_000,
    reason: "a client sends its ClientHello as soon as it has read 220",
  },
  handshakeMs: {
    unit: "ms",
    default: 10_000,
    min: 1,
    max: 120_000,
    reason: "from 220 to the end of the handshake, the ClientHello included; absolute",
  },
  commandMs: {
    unit: "ms",
    default: 300_000,
    min: 1,
    max: HOUR_MS,
    reason: "from the prompt to the end of the line, absolute: RFC 5321 section 4.5.3.2.7",
  },
  dataMs: {
    unit: "ms",
    default: 600_000,
    min: 1,
    max: HOUR_MS,
    reason: "from 354 to the dot, absolute",
  },
  dataMinBytesPerSecond: {
    unit: "bytes/s",
    default: 500,
    min: 0,
    max: 1_000_000_000,
    reason: "mean since 354, judged after 30 s: a slow sender holds a next hop's connection too",
  },
  sessionMs: {
    unit: "ms",
    default: 1_800_000,
    min: 1,
    max: 24 * HOUR_MS,
    reason: "judged at a prompt: settings and certificates of a session are those of its start",
  },
  maxRecipients: {
    unit: "count",
    default: 100,
    min: 1,
    max: 10_000,
    reason: "accepted recipients of one transaction: RFC 5321 section 4.5.3.1.8 requires 100",
  },
  maxRefusedRecipients: {
    unit: "count",
    default: 100,
    min: 1,
    max: 10_000,
    reason: "refused recipients of one session: address harvesting",
  },
  maxRefusedMessages: {
    unit: "count",
    default: 100,
    min: 1,
    max: 10_000,
    reason:
      "refused messages of one session; each has its own reply, and the next MAIL after so many is refused",
  },
  maxErrors: {
    unit: "count",
    default: 20,
    min: 1,
    max: 10_000,
    reason:
      "refused commands of one session, without recipients, messages, our own 451 and 452, and what follows from a refused command (semantics.md, section 4)",
  },
  maxCommands: {
    unit: "count",
    default: 1_000,
    min: 1,
    max: 1_000_000,
    reason: "commands of one session: loops of NOOP and RSET, and refusals that count as no error",
  },
  maxCommandBytes: {
    unit: "bytes",
    default: 2_048,
    min: 512,
    max: 65_536,
    reason: "a line without its end; RFC 5321 section 4.5.3.1.4 requires 512, and more with extensions",
  },
  maxMessageBytes: {
    unit: "bytes",
    default: 52_428_800,
    min: 1,
    max: 1_073_741_824,
    reason:
      "announced as SIZE; a larger message is read for 1 MB more, so that the reply arrives, then the connection is closed",
  },
  maxChainVerificationsPerClient: {
    unit: "count/minute",
    default: 10,
    min: 0,
    max: 100_000,
    reason: "each forks `openssl verify`, once for each path where CAs share a name; cached answers are free",
  },
  maxReceivedHeaders: {
    unit: "count",
    default: 100,
    min: 1,
    max: 10_000,
    reason: "loops: RFC 5321 section 6.3",
  },
  maxConnectionsPerClient: {
    unit: "count",
    default: 50,
    min: 1,
    max: 1_000_000,
    reason: "at one time; an IPv6 client is its /64",
  },
  maxConnections: {
    unit: "count",
    default: 2_000,
    min: 1,
    max: 1_000_000,
    reason: "at one time, over all listeners: file descriptors and 50 KB each",
  },
  maxBytesInFlight: {
    unit: "bytes",
    default: 268_435_456,
    min: 1,
    max: 1_099_511_627_776,
    reason: "octets of messages begun and not yet answered, over all sessions",
  },
  nextHopConnectMs: {
    unit: "ms",
    default: 30_000,
    min: 1,
    max: HOUR_MS,
    reason: "connecting to a next hop, with its TLS handshake",
  },
  nextHopReplyMs: {
    unit: "ms",
    default: 300_000,
    min: 1,
    max: HOUR_MS,
    reason: "RFC 5321 section 4.5.3.2: 5 minutes for greeting, MAIL and RCPT",
  },
  nextHopDotMs: {
    unit: "ms",
    default: 600_000,
    min: 1,
    max: HOUR_MS,
    reason: "RFC 5321 section 4.5.3.2.6: 10 minutes for the reply to the dot",
  },
  acceptAfterTermMs: {
    unit: "ms",
    default: 0,
    min: 0,
    max: HOUR_MS,
    reason:
      "the first part of `drainMs`, in which connections are still accepted: a load balancer sends new ones for a while",
  },
  drainMs: {
    unit: "ms",
    default: 30_000,
    min: 0,
    max: HOUR_MS,
    reason: "how long transactions in flight may take after SIGTERM",
  },
} as const satisfies Readonly<Record<string, LimitRow>>;

export type LimitName = keyof typeof LIMIT_TABLE;
export type Limits = Readonly<Record<LimitName, number>>;

const NAMES = Object.keys(LIMIT_TABLE).filter(isLimitName);

export const DEFAULT_LIMITS: Limits = complete({});

const OVERRIDES = z.strictObject(
  Object.fromEntries(
    NAMES.map((name) => {
      const { min, max } = LIMIT_TABLE[name];
      return [name, z.number().int().min(min).max(max).optional()];
    }),
  ),
);

/**
 * The limits with the overrides of `LIMITS`: a JSON object of names and numbers.
 *
 * @throws InvalidInput that names every unknown limit and every number out of range, with the range.
 */
export function parseLimits(json: string): Limits {
  const parsed = OVERRIDES.safeParse(parseJson(json));
  if (!parsed.success) {
    const issues = parsed.error.issues.flatMap(toIssues);
    throw new InvalidInput(`LIMITS: ${issues.map(({ message }) => message).join("; ")}`, issues);
  }
  const limits = complete(parsed.data);
  if (limits.acceptAfterTermMs > limits.drainMs) {
    const message = `acceptAfterTermMs must be at most drainMs, ${limits.drainMs} (ms)`;
    throw new InvalidInput(`LIMITS: ${message}`, [
      { pointer: "/acceptAfterTermMs", code: "invalid-value", message },
    ]);
  }
  return limits;
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidInput("LIMITS: not JSON");
  }
}

function complete(overrides: Readonly<Record<string, number | undefined>>): Limits {
  const entries = NAMES.map((name) => [name, overrides[name] ?? LIMIT_TABLE[name].default]);
  return Object.freeze(Object.fromEntries(entries) as Record<LimitName, number>);
}

function toIssues(issue: z.core.$ZodIssue): readonly Issue[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      pointer: `/${key}`,
      code: "unknown-field",
      message: `${JSON.stringify(key)} is not a limit`,
    }));
  }
  const [name] = issue.path;
  if (typeof name !== "string" || !isLimitName(name))
    return [{ pointer: "", code: "invalid-type", message: "must be a JSON object of names and numbers" }];
  const { min, max, unit } = LIMIT_TABLE[name];
  const message = `${name} must be a whole number from ${min} to ${max} (${unit})`;
  return [{ pointer: `/${name}`, code: "invalid-value", message }];
}

function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(LIMIT_TABLE, name);
}
