import { getServers } from "node:dns";
import { hostname } from "node:os";
import type { CommandSpec, Context } from "../frame/command.ts";
import { CommandError } from "../frame/command-error.ts";
import { EXIT } from "../frame/exit-code.ts";
import { painted } from "../frame/output.ts";
import { type ClientCertificate, readClientCertificate } from "./client-certificate.ts";
import { checkAddress, type Target } from "./address-check.ts";
import { findTlsa, type TlsaRecord } from "./dane.ts";
import { DnsClient, parseResolver, type RecordKind, type ResolverAddress } from "./dns-client.ts";
import { hostNameOf } from "./host-name.ts";
import { findMailHosts } from "./mail-hosts.ts";
import { findStsPolicy, type StsPolicy } from "./mta-sts.ts";
import { type Place, type Step, step, Steps } from "./steps.ts";

const SMTP_PORT = 25;
const MAX_PORT = 65_535;
/** Of each kind and host. */
const MAX_ADDRESSES = 8;

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

interface Probe {
  readonly context: Context;
  readonly dns: DnsClient;
  readonly steps: Steps;
  readonly domain: string;
  readonly port: number;
  /** In place of the addresses of every host; null = those. */
  readonly connect: Endpoint | null;
  /** In place of the hosts of MX records; null = those. */
  readonly mx: string | null;
  readonly client: ClientCertificate | null;
}

const HINT =
  "before DNS is published: --mx <host> names the MX host, and --connect <address:port> its address";

export const PROBE: CommandSpec = {
  path: "probe",
  summary: "Dial each MX address of a domain as a sender does, and check TLS step by step",
  example: "postern probe example.com",
  arguments: [{ name: "<domain>", about: "name of the domain" }],
  options: [
    { flags: "--port <number>", about: `of the mail servers; ${SMTP_PORT} if left out` },
    { flags: "--resolver <address>", about: "DNS resolver, such as 127.0.0.1:53; left out = the system's" },
    { flags: "--mx <host>", about: "host that the MX record names or will name, in place of a look-up" },
    { flags: "--connect <address:port>", about: "dial this in place of the addresses of each host" },
    {
      flags: "--client-certificate <file>",
      about: "certificate and intermediates to present in TLS, as PEM",
    },
    { flags: "--client-key <file>", about: "its key as PEM, if that file lacks it" },
  ],
  async run(context) {
    const { input, output, effects } = context;
    const domain = hostNameOf(input.argument("domain"));
    if (domain === null) throw new CommandError("this is not the name of a domain");
    const port = input.number("port", { min: 1, max: MAX_PORT }) ?? SMTP_PORT;
    const connect = endpointOf(input.text("connect"));
    const mx = mxOf(input.text("mx"));
    const client = await readClientCertificate(context);
    const dns = new DnsClient(resolverOf(input.text("resolver")), effects);
    const steps = new Steps(output);
    const isMxNamed = await probeDomain({ context, dns, steps, domain, port, connect, mx, client });
    output.end();
    if (steps.failed === 0) return EXIT.success;
    output.line(`${steps.failed} ${steps.failed === 1 ? "step has" : "steps have"} failed`);
    if (!isMxNamed) output.line(painted("dim", "hint: "), HINT);
    return EXIT.failure;
  },
};

function mxOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  const host = hostNameOf(text);
  if (host === null) throw new CommandError(`--mx ${text}: this is not the name of a host`);
  return host;
}

function resolverOf(text: string | undefined): ResolverAddress {
  for (const candidate of text === undefined ? getServers() : [text]) {
    const resolver = parseResolver(candidate);
    if (resolver !== null) return resolver;
  }
  throw new CommandError(
    text === undefined ? "this system has no DNS resolver" : `${text} is not an address`,
    {
      hint: "Give --resolver an IP address, such as 127.0.0.1 or 127.0.0.1:5353.",
    },
  );
}

function endpointOf(text: string | undefined): Endpoint | null {
  if (text === undefined) return null;
  const { address, port } = /^\[?(?<address>[^\]]+?)\]?:(?<port>\d{1,5})$/u.exec(text)?.groups ?? {};
  if (address === undefined || Number(port) > MAX_PORT)
    throw new CommandError(`--connect ${text}: write it as address:port`);
  return { address, port: Number(port) };
}

interface Hosts {
  readonly names: readonly string[];
  /** Whether TLSA records of these hosts concern a sender. */
  readonly isSecure: boolean;
  readonly step: readonly [Step["result"], string];
  /** Whether they are those of MX records or of `--mx`. */
  readonly isNamed: boolean;
}

/** @returns whether MX records or `--mx` name the hosts */
async function probeDomain(probe: Probe): Promise<boolean> {
  const { steps, context } = probe;
  const add = (check: Step["check"], result: Step["result"], text: string): void =>
    steps.add({ host: null, address: null, check, result, text });
  const hosts = await hostsOf(probe);
  add("mx", ...hosts.step);
  if (hosts.names.length === 0) return hosts.isNamed;
  const policy = await stsPolicy(probe, add);
  for (const host of hosts.names) {
    context.output.progress(`probing ${host}`);
    await probeHost(probe, { host, policy, isMxSecure: hosts.isSecure });
  }
  return hosts.isNamed;
}

async function hostsOf({ dns, domain, mx, connect }: Probe): Promise<Hosts> {
  if (mx !== null)
    return { names: [mx], isSecure: true, isNamed: true, step: ["noted", `${mx}, named by --mx`] };
  const mail = await findMailHosts(dns, domain);
  if (mail.kind === "found" || mail.kind === "implicit") {
    const isNamed = mail.kind === "found";
    const names = mail.hosts.join(", ");
    const text = isNamed ? names : `no MX record: the domain itself, ${names}`;
    return { names: mail.hosts, isSecure: mail.isSecure, isNamed, step: ["passed", text] };
  }
  const reason = mail.kind === "null-mx" ? "null MX: the domain takes no mail (RFC 7505)" : mail.reason;
  // The address is known, so a domain that is not in DNS yet is probed all the same.
  const dialled = connect === null ? "" : `; ${connect.address} is dialled as ${domain}`;
  const names = connect === null ? [] : [domain];
  return { names, isSecure: false, isNamed: false, step: ["failed", `${reason}${dialled}`] };
}

async function stsPolicy(
  { dns, domain, context }: Probe,
  add: (check: Step["check"], result: Step["result"], text: string) => void,
): Promise<StsPolicy | null> {
  const sts = await findStsPolicy(dns, domain, context.effects);
  if (sts.kind === "none") add("mta-sts", "noted", "no policy");
  if (sts.kind === "failed") add("mta-sts", "failed", sts.reason);
  if (sts.kind !== "found") return null;
  const { mode, maxAgeS, mx } = sts.policy;
  add("mta-sts", mode === "none" ? "noted" : "passed", `mode ${mode}, for ${maxAgeS} s: ${mx.join(", ")}`);
  return sts.policy;
}

interface HostOfProbe {
  readonly host: string;
  readonly policy: StsPolicy | null;
  readonly isMxSecure: boolean;
}

async function probeHost(probe: Probe, { host, policy, isMxSecure }: HostOfProbe): Promise<void> {
  const { steps, connect, context, domain, port, client } = probe;
  const place = { host, address: null, steps };
  const { endpoints, isSecure } = await addressesOf(probe, place);
  if (endpoints.length === 0) return;
  const tlsa = await tlsaOf(probe, place, isMxSecure && (isSecure || connect !== null));
  const helo = hostNameOf(hostname()) ?? "localhost";
  for (const endpoint of endpoints) {
    const known = { domain, helo, tlsa, policy, client, port: connect?.port ?? port };
    const target: Target = { ...place, ...endpoint, ...known };
    await checkAddress(target, context.effects);
  }
}

async function addressesOf(
  { dns, connect, port }: Probe,
  place: Place,
): Promise<{ readonly endpoints: readonly Endpoint[]; readonly isSecure: boolean }> {
  if (connect !== null) {
    step(place, "address", ["noted", `${connect.address} in place of those of the host`]);
    return { endpoints: [connect], isSecure: false };
  }
  const results = await Promise.all((["A", "AAAA"] as const).map((kind) => lookUp(dns, place.host, kind)));
  const failures = results.flatMap(({ failure }) => failure ?? []);
  const addresses = results.flatMap((result) => result.addresses);
  if (addresses.length === 0) {
    step(place, "address", ["failed", failures.join("; ") || "no address"]);
    return { endpoints: [], isSecure: false };
  }
  if (failures.length > 0) step(place, "address", ["failed", failures.join("; ")]);
  step(place, "address", ["passed", addresses.join(", ")]);
  if (results.some(({ isAlias }) => isAlias))
    step(place, "address", [
      "noted",
      "the MX host is an alias (CNAME), which RFC 5321 section 5.1 does not allow",
    ]);
  const endpoints = addresses.map((address) => ({ address, port }));
  return { endpoints, isSecure: results.every(({ isSecure }) => isSecure) };
}

async function lookUp(dns: DnsClient, host: string, kind: RecordKind & ("A" | "AAAA")) {
  const result = await dns.query(host, kind);
  if (result.kind === "failed")
    return { addresses: [], isSecure: false, isAlias: false, failure: `${kind} lookup: ${result.reason}` };
  if (result.kind !== "found")
    return { addresses: [], isSecure: result.isSecure, isAlias: false, failure: null };
  const addresses = result.records.map(({ data }) => data).slice(0, MAX_ADDRESSES);
  return { addresses, isSecure: result.isSecure, isAlias: result.isAlias, failure: null };
}

/** TLSA records that a sender heeds; null = none. */
async function tlsaOf(
  { dns, port }: Probe,
  place: Place,
  isWaySecure: boolean,
): Promise<readonly TlsaRecord[] | null> {
  const result = await findTlsa(dns, place.host, port);
  if (result.kind === "failed") step(place, "tlsa", ["failed", result.reason]);
  if (result.kind === "none") step(place, "tlsa", ["noted", "no TLSA record"]);
  if (result.kind !== "found") return null;
  const count = `${result.records.length} usable TLSA records`;
  if (!result.isSecure || !isWaySecure) {
    const reason = dns.isLocal
      ? "the resolver has not validated MX, addresses and TLSA with DNSSEC"
      : "the resolver is not on this machine";
    step(place, "tlsa", ["noted", `${count}, not validated: ${reason}`]);
    return null;
  }
  if (result.records.length === 0) {
    step(place, "tlsa", ["noted", "validated, and none that SMTP uses: DANE asks for TLS alone"]);
    return null;
  }
  step(place, "tlsa", ["passed", `${count}, validated`]);
  return result.records;
}
