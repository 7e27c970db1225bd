/** Listeners of an edge, parsed from SMTP_LISTENERS. */

import { isIP } from "node:net";
import { z } from "zod";
import { parseDomainName, toDomainName, type DomainName } from "../../core/name/domain-name.ts";
import { type Network, parseNetwork } from "../../core/name/network.ts";
import { InvalidInput } from "../../core/errors.ts";

/** One address to listen on. */
export interface EdgeListener {
  /** For logs, metrics and the status; unique among the edge's listeners. */
  readonly name: string;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Serves this domain alone; null = shared. */
  readonly dedicatedTo: DomainName | null;
  /**
   * Set = every connection begins with a PROXY header (v1 or v2) and only peers in one of these networks may
   * send it; an empty list rejects every peer. null = no PROXY header is understood.
   */
  readonly proxyFrom: readonly Network[] | null;
}

/** More than a machine needs; each is a socket. */
const MAX_LISTENERS = 100;

const network = z.string().transform((text, context) => {
  const parsed = parseNetwork(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: "custom", message: "must be a network such as 10.0.0.0/8, or an IP address" });
  return z.NEVER;
});

const entry = z.strictObject({
  /** For logs, metrics and the status. */
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 lower-case letters, digits and hyphens")
    .optional(),
  host: z
    .string()
    .refine((text) => isIP(text) !== 0 || toDomainName(text) !== null, "must be an IP address or a host name")
    .optional(),
  port: z.number().int().min(0).max(65_535),
  proxyProtocol: z.boolean().default(false),
  proxyFrom: z.array(network).max(100).default([]),
  domain: z.string().nullable().default(null),
});

/**
 * Parses `SMTP_LISTENERS`: listeners beside the shared one of SMTP_HOST and SMTP_PORT.
 *
 * @param shared that listener; its host is the default of the others.
 * @throws InvalidInput with the place and the reason.
 */
export function parseListeners(json: string, shared: EdgeListener): readonly EdgeListener[] {
  const parsed = z.array(entry).max(MAX_LISTENERS).safeParse(parseJson(json));
  if (!parsed.success) throw new InvalidInput(parsed.error.issues.map(sentence).join("; "));
  const listeners = parsed.data.map((given, index): EdgeListener => {
    const at = `[${index}]`;
    if (given.proxyProtocol && given.proxyFrom.length === 0) {
      throw new InvalidInput(`${at}.proxyFrom: must name the networks that proxyProtocol is taken from`);
    }
    if (!given.proxyProtocol && given.proxyFrom.length > 0) {
      throw new InvalidInput(`${at}.proxyFrom: means nothing without "proxyProtocol": true`);
    }
    return {
      name: given.name ?? `smtp-${index + 2}`,
      host: given.host ?? shared.host,
      port: given.port,
      dedicatedTo: given.domain === null ? null : domainAt(given.domain, at),
      proxyFrom: given.proxyProtocol ? given.proxyFrom : null,
    };
  });
  refuseDoubles([shared, ...listeners]);
  return listeners;
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidInput("is not JSON");
  }
}

function domainAt(text: string, at: string): EdgeListener["dedicatedTo"] {
  try {
    return parseDomainName(text);
  } catch (error) {
    throw new InvalidInput(
      `${at}.domain: ${error instanceof Error ? error.message : "is not a domain name"}`,
    );
  }
}

function sentence(issue: z.core.$ZodIssue): string {
  const place = issue.path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  return place === "" ? issue.message : `${place}: ${issue.message}`;
}

function refuseDoubles(listeners: readonly EdgeListener[]): void {
  const names = new Set<string>();
  const addresses = new Set<string>();
  for (const { name, host, port } of listeners) {
    if (names.has(name)) throw new InvalidInput(`two listeners have the name ${name}`);
    names.add(name);
    const address = `${host}:${port}`;
    if (port !== 0 && addresses.has(address))
      throw new InvalidInput(`two listeners have the address ${address}`);
    addresses.add(address);
  }
}
