/** Routes of mail as text: parsed, compared and described. */
import ipaddr from "ipaddr.js";
import { parseDomainName, toDomainName } from "../name/domain-name.ts";
import { InvalidInput, type Issue } from "../errors.ts";
import { canonicalAddress } from "../name/client-address.ts";
import type { DeliverySettings, DeliveryTls } from "../record/domain.ts";
import { DELIVERY_TLS } from "../record/domain.ts";
import type { DeliveryRoute, NextHopRoute } from "./delivery.ts";

type Credentials = NonNullable<NextHopRoute["credentials"]>;

/**
 * RFC 5321, RFC 8314 section 7.3, RFC 2033 (24 is what IANA lists for private mail systems, and what LMTP
 * servers use).
 */
const DEFAULT_PORT = { smtp: 25, smtps: 465, lmtp: 24 } as const;

/**
 * A URL of our three schemes. Not WHATWG URL: it takes more than we want (opaque hosts, paths, tabs inside)
 * and puts the whole text, with its password, into its error.
 */
const NEXT_HOP_URL =
  /^(?<scheme>smtp|smtps|lmtp):\/\/(?:(?<userinfo>[^@/?#\s]*)@)?(?<host>\[[^\]\s]*\]|[^:/?#@[\]\s]+)(?::(?<port>\d{1,5}))?\/?(?:\?(?<query>[^#\s]*))?$/;

/** Amazon S3's rules for the names of general purpose buckets, without its list of reserved prefixes. */
const BUCKET = /^(?=.{3,63}$)[a-z0-9](?:[a-z0-9-]|\.(?!\.))*[a-z0-9]$/;

const FORMS =
  "maildir:path, smtp://[user:password@]host[:port][?tls=require|opportunistic], smtps://, lmtp://, or s3://bucket/prefix";

/**
 * Parses the operator's `DELIVERY`.
 *
 * @param variable where it came from: errors begin with it.
 * @throws InvalidInput with the reason; never with the text itself, which may hold a password.
 */
export function parseOperatorDelivery(text: string, variable = "DELIVERY"): DeliveryRoute {
  const fail = failWith((message) => new InvalidInput(`${variable}: ${message}`));
  if (text.startsWith("maildir:")) return parseMaildir(text, fail);
  if (text.startsWith("s3:")) return parseS3(text, fail);
  const url = matchNextHop(text) ?? fail(`expected ${FORMS}`);
  const host = parseHost(url.host, (name) => toDomainName(name), fail);
  return {
    kind: url.scheme,
    host,
    port: parsePort(url, fail),
    tls: parseTls(url.query, fail) ?? (isLoopbackHost(host) ? "opportunistic" : "require"),
    setBy: "operator",
    credentials: parseCredentials(url.userinfo, fail),
  };
}

/**
 * Parses a domain's `delivery` as it comes through the API: next hops only, no credentials, the canonical
 * spelling.
 *
 * @param pointer RFC 6901 pointer to the object, for the issues.
 * @throws InvalidInput
 */
export function parseApiDelivery(settings: DeliverySettings, pointer = "/delivery"): DeliveryRoute {
  const fail = failWith((message) => {
    const at: Issue = { pointer: `${pointer}/nextHop`, code: "next-hop", message };
    return new InvalidInput(message, [at]);
  });
  const url =
    matchNextHop(settings.nextHop) ?? fail("nextHop must be smtp://host[:port], smtps:// or lmtp://");
  if (url.userinfo !== undefined) fail("nextHop must not carry credentials");
  if (url.query !== undefined) fail("nextHop must not carry parameters; TLS is set by the field tls");
  const host = parseHost(url.host, (name) => parseCanonicalName(name, fail), fail);
  return {
    kind: url.scheme,
    host,
    port: parsePort(url, fail),
    tls: settings.tls,
    setBy: "api",
    credentials: null,
  };
}

/** Whether two recipients can go in one transaction. */
export function sameRoute(a: DeliveryRoute, b: DeliveryRoute): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case "maildir":
      return b.kind === "maildir" && a.directory === b.directory;
    case "s3":
      return b.kind === "s3" && a.bucket === b.bucket && a.prefix === b.prefix;
    default:
      return b.kind === a.kind && sameNextHop(a, b);
  }
}

/** How a route is shown in logs and on the first screen: without credentials. */
export function describeRoute(route: DeliveryRoute): string {
  if (route.kind === "maildir") return `maildir:${route.directory}`;
  if (route.kind === "s3") return `s3://${route.bucket}/${route.prefix}`;
  const host = route.host.includes(":") ? `[${route.host}]` : route.host;
  return `${route.kind}://${host}:${String(route.port)}?tls=${route.tls}`;
}

/** A name that is this machine by its definition (RFC 6761 section 6.3), or a loopback address. */
function isLoopbackHost(host: string): boolean {
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  return canonicalAddress(host) !== null && ipaddr.process(host).range() === "loopback";
}

type Fail = (message: string) => never;

const failWith =
  (error: (message: string) => InvalidInput): Fail =>
  (message) => {
    throw error(message);
  };

interface NextHopUrl {
  readonly scheme: "smtp" | "smtps" | "lmtp";
  readonly userinfo: string | undefined;
  readonly host: string;
  readonly port: string | undefined;
  readonly query: string | undefined;
}

function matchNextHop(text: string): NextHopUrl | null {
  if (text.length > 2048) return null;
  const groups = NEXT_HOP_URL.exec(text)?.groups;
  // The pattern has exactly these groups, and `scheme` and `host` take part in every match.
  return groups === undefined ? null : (groups as unknown as NextHopUrl);
}

function parseHost(text: string, parseName: (name: string) => string | null, fail: Fail): string {
  const literal = text.startsWith("[") ? text.slice(1, -1) : text;
  const isV6 = text.startsWith("[");
  if (isV6 && !literal.includes("%") && ipaddr.IPv6.isValid(literal))
    return canonicalAddress(literal) ?? fail("the host is no address");
  if (!isV6 && ipaddr.IPv4.isValidFourPartDecimal(literal)) return literal;
  // The last label of a name is never a number (WHATWG URL, "ends in a number"): 0x7f.1 and 127.1 are
  // addresses to a resolver.
  if (isV6 || /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i.test(literal))
    fail("the host is neither a name nor an IP address");
  return parseName(literal) ?? fail("the host is neither a name nor an IP address");
}

function parseCanonicalName(name: string, fail: Fail): string {
  try {
    return parseDomainName(name);
  } catch (error) {
    return fail(error instanceof InvalidInput ? error.message : "the host is no name");
  }
}

function parsePort(url: NextHopUrl, fail: Fail): number {
  if (url.port === undefined) return DEFAULT_PORT[url.scheme];
  const port = Number(url.port);
  return port >= 1 && port <= 65_535 ? port : fail("the port must be 1 to 65535");
}

function parseTls(query: string | undefined, fail: Fail): DeliveryTls | null {
  if (query === undefined || query === "") return null;
  const [name, value, ...more] = query.split("=");
  const tls = DELIVERY_TLS.find((known) => known === value);
  if (name === "tls" && tls !== undefined && more.length === 0) return tls;
  return fail("the only parameter is tls, with the value require or opportunistic");
}

function parseCredentials(userinfo: string | undefined, fail: Fail): Credentials | null {
  if (userinfo === undefined) return null;
  const [user, password, ...more] = userinfo.split(":").map((part) => percentDecoded(part));
  const isWhole = typeof user === "string" && typeof password === "string" && more.length === 0;
  // AUTH PLAIN separates its parts with NUL (RFC 4616 section 2).
  if (!isWhole || user === "" || password === "" || `${user}${password}`.includes("\0"))
    return fail("credentials must be user:password, percent-encoded, neither part empty");
  return { user, password };
}

function percentDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function parseMaildir(text: string, fail: Fail): DeliveryRoute {
  const directory = text.slice("maildir:".length);
  if (directory === "" || directory.includes("\0")) fail("maildir: needs a path");
  return { kind: "maildir", directory };
}

function parseS3(text: string, fail: Fail): DeliveryRoute {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(text);
  const bucket = match?.[1] ?? "";
  const prefix = (match?.[2] ?? "").replace(/\/+$/, "");
  if (!BUCKET.test(bucket)) fail("s3:// needs a bucket name: s3://bucket/prefix");
  if (!/^[\x21-\x7e]{0,500}$/.test(prefix) || /(?:^|\/)(?:\/|\.{1,2}(?:\/|$))/.test(prefix))
    fail("the prefix of s3:// must be printable ASCII without empty, . or .. parts");
  // In the policy that lets an edge write below it, IAM would take these for patterns and variables.
  if (/[*?]|\$\{/.test(prefix)) fail("the prefix of s3:// must not contain *, ? or ${");
  return { kind: "s3", bucket, prefix };
}

const sameNextHop = (a: NextHopRoute, b: NextHopRoute): boolean =>
  a.host === b.host &&
  a.port === b.port &&
  a.tls === b.tls &&
  a.setBy === b.setBy &&
  a.credentials?.user === b.credentials?.user &&
  a.credentials?.password === b.credentials?.password;
