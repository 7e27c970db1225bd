import type { SecureVersion } from "node:tls";
import { CAS, CLIENT_KINDS, CLIENT_NAME, pinOf } from "./client-kinds.ts";
import { newKey } from "./certificate-writer.ts";
import { issueClient, makeCa, type IssuedCertificate } from "./pki.ts";
import type { SeededRandom } from "./seeded-random.ts";

/**
 * Random settings of domains and random sessions of senders, for a comparison of an evaluation with an edge:
 * `d0` and `d1` have a dedicated listener, the others share theirs.
 */

export const DOMAINS = ["d0", "d1", "d2", "d3", "d4"]
  .map((name) => `${name}.example`)
  .concat("xn--bcher-kva.example");
export const DEDICATED = DOMAINS.slice(0, 2);
const SHARED = DOMAINS.slice(2);
const SHARED_HOST = "mx.shared.example";
const hostOf = (domain: string): string => `mx.${domain}`;
export const HOSTS = [...DOMAINS.map(hostOf), SHARED_HOST];

export const LISTENERS = { shared: "smtp", proxied: "proxied", own: ["own-0", "own-1"] } as const;

/** What settings may name. */
export interface StoredIds {
  readonly certificates: readonly string[];
  readonly trustStores: readonly string[];
}

/** A document of PUT; the API may refuse it. */
export interface RandomSettings {
  readonly mxHosts: readonly string[];
  readonly tls: {
    readonly server: {
      readonly level: string;
      readonly minVersion: string;
      readonly certificateId: string | null;
    };
    readonly [member: string]: unknown;
  };
  readonly delivery: { readonly nextHop: string } | null;
}

/** What the domains of one store have in common. */
const FLAVOURS = [...Array.from({ length: 6 }, () => "mixed" as const), "strict", "plain"] as const;

export interface World {
  /** null = the domain is absent. */
  readonly domains: ReadonlyMap<string, (random: SeededRandom) => RandomSettings | null>;
  /** Whether time goes on between the writes and the sessions, so that exceptions expire. */
  readonly isLate: boolean;
}

interface Choice {
  readonly ids: StoredIds;
  /** Moment at which exceptions expire that do so before the sessions of a late world. */
  readonly soon: string;
}

export function randomWorld(random: SeededRandom, choice: Choice): World {
  const flavour = random.pick(FLAVOURS);
  const domains = DOMAINS.map((name) => {
    const isAbsent = random.below(5) === 0;
    return [
      name,
      (source: SeededRandom) => (isAbsent ? null : randomSettings(source, { ...choice, name, flavour })),
    ] as const;
  });
  return { domains: new Map(domains), isLate: random.below(2) === 0 };
}

interface DomainChoice extends Choice {
  readonly name: string;
  readonly flavour: (typeof FLAVOURS)[number];
}

function randomSettings(random: SeededRandom, choice: DomainChoice): RandomSettings {
  const { ids, name, flavour } = choice;
  const level = {
    strict: "require",
    plain: "none",
    mixed: random.pick(["none", "accept", "require", "require", "require", "require"]),
  }[flavour];
  const mode = modeUnder(random, level);
  const mxHosts = random.pick([[hostOf(name)], [SHARED_HOST], [hostOf(name), SHARED_HOST]]);
  return {
    mxHosts,
    tls: {
      server: {
        level,
        minVersion: level === "require" ? random.pick(["TLSv1.2", "TLSv1.2", "TLSv1.3"]) : "TLSv1.2",
        certificateId: random.pick([null, ...ids.certificates]),
      },
      clientCertificate: { mode, ...randomTrust(random, ids), purpose: random.pick(PURPOSES) },
      enforcement:
        flavour === "strict" ? "reject" : random.pick(["observe", "defer", "reject", "reject", "reject"]),
      exceptions: flavour === "mixed" ? randomExceptions(random, choice) : [],
    },
    delivery: random.pick([null, null, { nextHop: "smtp://mail.next-hop.example:25" }]),
  };
}

const PURPOSES = ["clientAuth", "clientAuth", "clientAuthOrServerAuth"];
const NAMES = [CLIENT_NAME, "*.partner.example", "mail.elsewhere.example"];

function modeUnder(random: SeededRandom, level: string): string {
  if (level === "none") return "none";
  return random.pick(
    level === "accept" ? ["none", "request"] : ["none", "request", "require", "require", "require"],
  );
}

function randomTrust(random: SeededRandom, { trustStores }: StoredIds) {
  const match = random.pick(["any", "helo", "list", "list"]);
  const names = { match, allowed: match === "list" ? [random.pick(NAMES)] : [] };
  const publicRoots = match === "list" && random.below(6) === 0;
  const pins = random.below(4) === 0 ? [pinOf("self-signed")] : [];
  const trustStoreIds = random.below(8) === 0 ? trustStores : [random.pick(trustStores)];
  return { names, trust: { publicRoots, pins, trustStoreIds } };
}

const RULES = [
  { level: "accept", clientCertificateMode: "none" },
  { level: "none", clientCertificateMode: "none" },
  { level: "require", clientCertificateMode: "request" },
  { level: "require", clientCertificateMode: "require" },
];

function randomExceptions(random: SeededRandom, { name, soon }: DomainChoice): object[] {
  const matches = [
    { clientCidr: "127.0.0.2/32" },
    { clientCidr: "2001:db8::/32" },
    { clientName: random.pick(NAMES) },
    { recipient: `tlsrpt@${name}` },
    { senderDomain: "partner.example" },
    { senderDomain: "partner.example", clientCidr: "127.0.0.0/8" },
  ];
  return Array.from({ length: random.below(4) }, () => ({
    match: random.pick(matches),
    ...random.pick(RULES),
    reason: "a random exception",
    ...(random.below(3) === 0 ? { expiresAt: soon } : {}),
  }));
}

/** One connection of a sender, and the recipients that it names in it. */
export interface RandomConnection {
  readonly listener: string;
  readonly clientAddress: string;
  readonly protocol: SecureVersion | null;
  readonly sni: string | null;
  readonly helo: string;
  /** One of CLIENTS. */
  readonly client: string | null;
  /** The client knows RSA alone. */
  readonly isOld: boolean;
  readonly mails: readonly { readonly mailFrom: string; readonly rcptTo: string }[];
}

const HELOS = [
  CLIENT_NAME,
  CLIENT_NAME,
  "mail.elsewhere.example",
  "MAIL.Partner.Example.",
  "[192.0.2.1]",
  "bad_name",
];
const SENDERS = [
  "",
  "a@partner.example",
  "A@PARTNER.example.",
  "b@elsewhere.example",
  "c@[192.0.2.1]",
  '"d e"@partner.example',
];
/** Those of the other tests, and what they do not need. */
export const CLIENTS: Readonly<Record<string, IssuedCertificate>> = {
  ...CLIENT_KINDS,
  "below an intermediate": issueClient({
    key: newKey("ecdsa-p256"),
    names: [CLIENT_NAME],
    ca: makeCa({ parent: CAS.partner }),
  }),
  wildcard: issueClient({ key: newKey("ecdsa-p256"), names: ["*.partner.example"], ca: CAS.partner }),
};
/** The kinds that fail in a late row come often. */
const PRESENTED = Object.keys(CLIENTS).concat([
  "good",
  "good",
  "good",
  "server-only",
  "server-only",
  "wrong-name",
  "wrong-name",
  "wildcard",
]);

/** @param mails How many recipients it names. */
export function randomConnection(random: SeededRandom, mails: number): RandomConnection {
  const { shared, proxied, own } = LISTENERS;
  const listener = random.pick([shared, shared, shared, proxied, ...own]);
  const usual =
    listener === own[0] ? DEDICATED.slice(0, 1) : listener === own[1] ? DEDICATED.slice(1) : SHARED;
  const domain = random.pick(usual);
  const protocol = random.pick([null, "TLSv1.2", "TLSv1.3", "TLSv1.3"] as const);
  const client = protocol === null || random.below(5) === 0 ? null : random.pick(PRESENTED);
  return {
    listener,
    clientAddress:
      listener === proxied
        ? random.pick(["2001:db8::25", "2001:db9::25", "192.0.2.25"])
        : random.pick(["127.0.0.1", "127.0.0.2"]),
    protocol,
    sni: protocol === null ? null : randomServerName(random, domain),
    helo: random.pick(HELOS),
    client,
    isOld: client === null && random.below(2) === 0,
    mails: Array.from({ length: mails }, () => {
      const named = random.below(5) === 0 ? random.pick(DOMAINS) : domain;
      return { mailFrom: random.pick(SENDERS), rcptTo: randomRecipient(random, named) };
    }),
  };
}

const randomServerName = (random: SeededRandom, domain: string): string | null =>
  random.pick([
    ...Array.from({ length: 5 }, () => hostOf(domain)),
    SHARED_HOST,
    SHARED_HOST,
    hostOf(random.pick(DOMAINS)),
    hostOf(domain).toUpperCase(),
    "mx.absent.example",
    null,
  ]);

const randomRecipient = (random: SeededRandom, domain: string): string =>
  random.pick([
    ...Array.from({ length: 10 }, () => `a@${domain}`),
    `tlsrpt@${domain}`,
    `TLSRPT@${domain.toUpperCase()}.`,
    `"tlsrpt"@${domain}`,
    `tlsrpt+x@${domain}`,
    `"a b"@${domain}`,
    `user%elsewhere.example@${domain}`,
    `@relay.example:a@${domain}`,
    "a@absent.example",
    "a@[192.0.2.1]",
    "a@bücher.example",
    "jürgen@d2.example",
    "postmaster",
    `a@${"x".repeat(60)}.absent.example`,
  ]);
