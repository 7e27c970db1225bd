import { afterAll, beforeAll, expect, it } from "vitest";
import type { ClientCertificateMode, Enforcement, TlsLevel } from "../../core/record/domain.ts";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type Postfix, startPostfix } from "../support/peers/postfix.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { waitUntil } from "../support/peers/wait-until.ts";
import { issueClient, issueServer, makeCa } from "../support/pki.ts";

const SENDER = "a@sender.example";
/** The host name of this Postfix, and the name in its certificate. */
const HELO = "postfix.example";

const clientCa = makeCa({ name: "Senders CA" });
const client = issueClient({ names: [HELO], ca: clientCa });
const serverCa = makeCa({ name: "Servers CA" });

/** One transport of the sending Postfix: options of its `smtp` daemon (postconf(5)). */
const WAYS = {
  plain: { smtp_tls_security_level: "none" },
  may: { smtp_tls_security_level: "may" },
  encrypt: { smtp_tls_security_level: "encrypt" },
  certified: {
    smtp_tls_security_level: "encrypt",
    smtp_tls_chain_files: "$config_directory/client.pem",
    smtp_tls_servername: "mx.certified.example",
  },
  // Without SNI: the edge's default certificate, and the chain verifier has to judge ours.
  unnamed: { smtp_tls_security_level: "encrypt", smtp_tls_chain_files: "$config_directory/client.pem" },
  cached: {
    smtp_tls_security_level: "encrypt",
    smtp_tls_chain_files: "$config_directory/client.pem",
    smtp_tls_servername: "mx.cached.example",
    smtp_tls_loglevel: "2",
  },
  verify: {
    smtp_tls_security_level: "secure",
    smtp_tls_CAfile: "$config_directory/servers.pem",
    smtp_tls_secure_cert_match: "mx.verify.example",
    smtp_tls_servername: "mx.verify.example",
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

interface Case {
  readonly title: string;
  readonly domain: string;
  readonly way: keyof typeof WAYS;
  readonly level: TlsLevel;
  readonly mode?: ClientCertificateMode;
  readonly enforcement?: Enforcement;
}

/** One domain for each case, so that each is found by its domain in both logs. */
const DELIVERED: readonly (Case & { readonly protocol: string; readonly header: RegExp })[] = [
  {
    title: "in plaintext to level none",
    domain: "none.example",
    way: "plain",
    level: "none",
    protocol: "ESMTP",
    header: /^version=none; client=not-requested; /u,
  },
  {
    title: "in plaintext to level accept",
    domain: "plain.example",
    way: "plain",
    level: "accept",
    protocol: "ESMTP",
    header: /^version=none; client=not-requested; /u,
  },
  {
    title: "in plaintext to level require under observe",
    domain: "observed.example",
    way: "plain",
    level: "require",
    enforcement: "observe",
    protocol: "ESMTP",
    header: /^version=none; client=not-requested; /u,
  },
  {
    title: "over opportunistic TLS to level require",
    domain: "may.example",
    way: "may",
    level: "require",
    protocol: "ESMTPS",
    header: /^version=TLSv1\.3; .*client=not-requested; /u,
  },
  {
    title: "over opportunistic TLS to level accept",
    domain: "may-accept.example",
    way: "may",
    level: "accept",
    protocol: "ESMTPS",
    header: /^version=TLSv1\.3; .*client=not-requested; /u,
  },
  {
    title: "over mandatory TLS to level require",
    domain: "encrypt.example",
    way: "encrypt",
    level: "require",
    protocol: "ESMTPS",
    header: /^version=TLSv1\.3; .*client=not-requested; /u,
  },
  {
    title: "with a client certificate and SNI to mode require",
    domain: "certified.example",
    way: "certified",
    level: "require",
    mode: "require",
    protocol: "ESMTPS",
    header: /^version=TLSv1\.3; .*client=verified; subject="?postfix\.example"?; /u,
  },
  {
    title: "with a client certificate and no SNI to mode require",
    domain: "unnamed.example",
    way: "unnamed",
    level: "require",
    mode: "require",
    protocol: "ESMTPS",
    header: /^version=TLSv1\.3; .*client=verified; subject="?postfix\.example"?; /u,
  },
  {
    title: "over TLS that verifies our certificate for the MX host",
    domain: "verify.example",
    way: "verify",
    level: "require",
    protocol: "ESMTPS",
    header: /^version=TLSv1\.3; .*client=not-requested; /u,
  },
];

const REFUSED: readonly (Case & { readonly reply: string })[] = [
  {
    title: "plaintext at level require",
    domain: "refused.example",
    way: "plain",
    level: "require",
    reply: "530 5.7.0 refused.example accepts mail over TLS only; issue STARTTLS first",
  },
  {
    title: "no client certificate at mode require",
    domain: "uncertified.example",
    way: "encrypt",
    level: "require",
    mode: "require",
    reply: "550 5.7.1 uncertified.example requires a client certificate",
  },
];

const DEFERRED: readonly (Case & { readonly reply: string })[] = [
  {
    title: "plaintext at level require under defer",
    domain: "deferred.example",
    way: "plain",
    level: "require",
    enforcement: "defer",
    reply: "450 4.7.1 deferred.example accepts mail over TLS only; issue STARTTLS first",
  },
  {
    title: "no client certificate at mode require under defer",
    domain: "uncertified-deferred.example",
    way: "encrypt",
    level: "require",
    mode: "require",
    enforcement: "defer",
    reply: "450 4.7.1 uncertified-deferred.example requires a client certificate",
  },
];

const CACHED: Case = {
  title: "",
  domain: "cached.example",
  way: "cached",
  level: "require",
  mode: "require",
};
const CASES: readonly Case[] = [...DELIVERED, ...REFUSED, ...DEFERRED, CACHED];

let product: Product;
let postfix: Postfix;

const settingsOf = (
  given: Case,
  ids: { readonly trustStoreId: string; readonly certificateId: string },
): unknown => ({
  mxHosts: [`mx.${given.domain}`],
  tls: {
    server: { level: given.level, certificateId: given.way === "verify" ? ids.certificateId : null },
    clientCertificate: { mode: given.mode ?? "none", trust: { trustStoreIds: [ids.trustStoreId] } },
    enforcement: given.enforcement ?? "reject",
  },
});

/** A line of master.cf for each way, and a separate transport for each domain. */
const services = Object.entries(WAYS).map(([name, options]) => {
  const overrides = Object.entries(options).map(([option, value]) => ` -o ${option}=${value}`);
  return `${name} unix - - n - - smtp${overrides.join("")}`;
});

const transportsTo = (port: number): string =>
  CASES.map(({ domain, way }) => `{ ${domain} = ${way}:[127.0.0.1]:${port} }`).join(", ");

const send = (given: Case, text: string): Promise<void> =>
  postfix.submit({ from: SENDER, to: [`b@${given.domain}`], text: `Subject: ${text}\n\n${text}\n` });

describeWith(["postfix"])("a Postfix that sends through us", () => {
  beforeAll(async () => {
    product = await startProduct();
    const trustStoreId = await product.createTrustStore(clientCa.rootPem);
    const server = issueServer({ names: ["mx.verify.example"], ca: serverCa });
    const certificateId = await product.createCertificate(server);
    for (const given of CASES)
      await product.putDomain(given.domain, settingsOf(given, { trustStoreId, certificateId }));
    postfix = await startPostfix({
      settings: {
        myhostname: HELO,
        smtp_helo_name: HELO,
        smtp_tls_loglevel: "1",
        // Kept by tlsmgr, which reads main.cf alone.
        smtp_tls_session_cache_database: "btree:$data_directory/smtp_scache",
        transport_maps: `inline:{ ${transportsTo(product.smtpPort)}, { sender.example = discard: } }`,
        // One attempt each: deferred messages stay in the queue for inspection.
        minimal_backoff_time: "1h",
        queue_run_delay: "1h",
      },
      services,
      files: { "client.pem": client.privateKeyPem + client.bundlePem, "servers.pem": serverCa.rootPem },
    });
  });

  afterAll(endEverything);

  it.each(DELIVERED)("delivers $title", async (given) => {
    const subject = `delivered to ${given.domain}`;
    await send(given, subject);
    expect(await postfix.deliveryTo(`b@${given.domain}`)).toMatch(/status=sent \(250 2\.0\.0 /u);
    const message = await product.arrival(subject);
    expect(message).toMatch(new RegExp(`^Received: [\\s\\S]*?\\bwith ${given.protocol}\\b`, "mu"));
    expect(headerOf(message, "Postern-TLS")).toMatch(given.header);
  });

  it.each(REFUSED)("receives the reason for the refusal of $title", async (given) => {
    await send(given, "refused");
    const line = await postfix.deliveryTo(`b@${given.domain}`);
    expect(line).toContain("status=bounced");
    expect(line).toContain(given.reply);
  });

  it.each(DEFERRED)("keeps our reply in its deferred queue for $title", async (given) => {
    await send(given, "deferred");
    expect(await postfix.deliveryTo(`b@${given.domain}`)).toContain("status=deferred");
    const waiting = (await postfix.queue()).filter(({ queue }) => queue === "deferred");
    const [reason] = waiting.flatMap(({ recipients }) =>
      recipients
        .filter(({ address }) => address === `b@${given.domain}`)
        .map(({ delayReason }) => delayReason),
    );
    expect(reason).toContain(given.reply);
  });

  it("never resumes a TLS session, even if Postfix's session cache offers one", async () => {
    for (const subject of ["first of the cache", "second of the cache", "third of the cache"]) {
      await send(CACHED, subject);
      await product.arrival(subject);
    }
    // Postfix offers its cached session, and every handshake is still a full one.
    expect(postfix.log()).toMatch(/reloaded session .* from smtp cache/u);
    expect(postfix.log()).not.toContain("Reusing old session");
    const results = await waitUntil(
      () => (resultsAt(CACHED.domain).length >= 3 ? resultsAt(CACHED.domain) : undefined),
      {
        what: "three sessions are logged",
      },
    );
    expect(results).toEqual(["verified", "verified", "verified"]);
  });

  it("leaves only deferred messages in its queue", async () => {
    const addresses = (await postfix.queue()).flatMap(({ recipients }) =>
      recipients.map(({ address }) => address),
    );
    expect(addresses.toSorted()).toEqual(DEFERRED.map(({ domain }) => `b@${domain}`).toSorted());
  });
});

/** The client certificate's result in the product's log, for each recipient at a domain. */
function resultsAt(domain: string): readonly unknown[] {
  return product
    .log()
    .filter(({ event }) => event === "session")
    .flatMap(({ recipients }) => (Array.isArray(recipients) ? recipients : []))
    .filter((recipient) => recipient.domain === domain)
    .map(({ clientCertificate }) => clientCertificate);
}

/** The unfolded value of a header field, or "" when the message has none. */
function headerOf(message: string, name: string): string {
  const header = message.slice(0, message.indexOf("\r\n\r\n")).replaceAll(/\r\n[ \t]+/gu, " ");
  return (
    header
      .split("\r\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? ""
  );
}
