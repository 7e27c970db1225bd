import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { expect, it, onTestFinished } from "vitest";
import {
  createOpenSslChainVerifier,
  type OpenSslChainVerifier,
} from "../../adapters/openssl/openssl-chain-verifier.ts";
import { createSelfSigned } from "../../core/x509/self-signed.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import { parseConfig } from "../../worker/config/config.ts";
import { startEdge } from "../../worker/edge/edge.ts";
import type { EdgeEvent } from "../../worker/event/edge-event.ts";
import { startWorker, type Worker } from "../../worker/worker.ts";
import { type ApiUnderTest, startApi } from "../support/api.ts";
import { CAS, CLIENT_KINDS } from "../support/client-kinds.ts";
import { makeCrl } from "../support/crl-writer.ts";
import { proxyV2For } from "../support/proxy-headers.ts";
import {
  CLIENTS,
  DEDICATED,
  DOMAINS,
  HOSTS,
  LISTENERS,
  type RandomConnection,
  randomConnection,
  randomWorld,
  type RandomSettings,
  type StoredIds,
  type World,
} from "../support/random-sessions.ts";
import { recordingDelivery } from "../support/recording-delivery.ts";
import { fuzz, type SeededRandom } from "../support/seeded-random.ts";
import { SmtpClient } from "../support/smtp-client.ts";

/**
 * An evaluation against a worker with real sockets, on one store: random settings, random sessions, and for
 * each recipient the reply, the verdict, the request for a client certificate and the certificate presented.
 */

const ROUNDS = 16;
const CONNECTIONS = 12;
const MAILS = 10;
const PAIRS = CONNECTIONS * MAILS;
/** Later than the exceptions that expire soon. */
const LATER_MS = 20 * 60_000;
const SOON_MS = 10 * 60_000;

// Read as JSON, as a client does.
type Json = ReturnType<typeof JSON.parse>;

/** A worker and an API on one store. */
interface Stage {
  readonly api: ApiUnderTest;
  readonly worker: Worker;
  readonly events: EdgeEvent[];
  readonly snapshot: () => Snapshot | null;
  readonly ids: StoredIds;
}

const LISTENERS_ADDED = JSON.stringify([
  { name: LISTENERS.proxied, port: 0, proxyProtocol: true, proxyFrom: ["127.0.0.0/8"] },
  ...LISTENERS.own.map((name, at) => ({ name, port: 0, domain: DEDICATED[at] })),
]);
const COUNTS = ["maxErrors", "maxRefusedRecipients", "maxCommands", "maxConnectionsPerClient"];
const UNLIMITED = {
  ...Object.fromEntries(COUNTS.map((limit) => [limit, 10_000])),
  proxyHeaderMs: 60_000,
  clientHelloMs: 60_000,
  handshakeMs: 120_000,
};

async function verifier(): Promise<OpenSslChainVerifier> {
  const opened = await createOpenSslChainVerifier({
    clock: { now: () => Date.now() },
    maxPerClientPerMinute: 100_000,
    // A busy machine must not be a reason to judge nothing.
    bounds: { runMs: 120_000, queueWaitMs: 120_000 },
  });
  onTestFinished(() => opened.close());
  return opened;
}

async function startStage(variables: Readonly<Record<string, string>>): Promise<Stage> {
  const api = await startApi({ chainVerifier: await verifier() });
  const events: EdgeEvent[] = [];
  let snapshot: Stage["snapshot"] = () => null;
  const own = { names: ["gate.example"], keyTypes: ["ecdsa-p256", "rsa-2048"] } as const;
  const ports = { SMTP_PORT: "0", HEALTH_PORT: "0", SETTINGS_POLL_INTERVAL_MS: "50" };
  const environment = {
    ...ports,
    SMTP_LISTENERS: LISTENERS_ADDED,
    LIMITS: JSON.stringify(UNLIMITED),
    ...variables,
  };
  const worker = await startWorker({
    config: parseConfig(environment, { cwd: "/", hostName: "gate.example" }),
    store: api.store,
    vault: api.vault,
    edgeReports: api.edgeReports,
    edgeId: api.ids.edge(),
    release: "1.2.3",
    delivery: recordingDelivery(),
    chainVerifier: await verifier(),
    defaultCertificate: (await createSelfSigned(own, { nowMs: Date.now() })).material,
    publicRoots: rootCertificates,
    clock: api.clock,
    log: () => undefined,
    writeMetrics: () => undefined,
    startEdge: (options) => {
      snapshot = options.snapshot;
      return startEdge({
        ...options,
        onEvent: (event) => {
          events.push(event);
          options.onEvent(event);
        },
      });
    },
  });
  onTestFinished(async () => {
    await worker.drain();
    await worker.stop();
  });
  await expect.poll(async () => (await api.edgeReports.list()).length).toBe(1);
  return { api, worker, events, snapshot: () => snapshot(), ids: await store(api) };
}

/** Two certificates for every host, each with an ECDSA and an RSA key; CAs with and without a CRL. */
async function store(api: ApiUnderTest): Promise<StoredIds> {
  const made = async (path: string, body: object): Promise<string> =>
    (await api.expect(201, "POST", path, { body })).json.id;
  const certificate = { source: "self-signed", names: HOSTS, keyTypes: ["ecdsa-p256", "rsa-2048"] };
  const crlPem = makeCrl({ ca: CAS.partner, revoked: [CLIENT_KINDS["wrong-name"].der] });
  return {
    certificates: [await made("/v1/certificates", certificate), await made("/v1/certificates", certificate)],
    trustStores: [
      await made("/v1/trust-stores", { certificatesPem: CAS.partner.rootPem }),
      await made("/v1/trust-stores", { certificatesPem: CAS.partner.rootPem, crlPem }),
      await made("/v1/trust-stores", { certificatesPem: CAS.other.rootPem }),
    ],
  };
}

const MOST_TRIES = 30;
const ANY = { headers: { "If-Match": "*" } };

/** Writes settings that the API takes. @returns what was stored; null = the domain is absent. */
async function settle(
  { api }: Stage,
  name: string,
  produce: () => RandomSettings | null,
): Promise<RandomSettings | null> {
  const path = `/v1/domains/${name}`;
  const exists = (await api.send("GET", path)).status === 200;
  const conditional = exists ? ANY : {};
  for (let tried = 0; tried < MOST_TRIES; tried += 1) {
    const settings = produce();
    if (settings === null) {
      if (exists) await api.expect(204, "DELETE", path, ANY);
      return null;
    }
    const { status, text } = await api.send("PUT", `${path}?sharedHosts=move`, {
      body: settings,
      ...conditional,
    });
    if (status < 300) return settings;
    if (status !== 422) throw new Error(text);
  }
  await api.send("PUT", path, { body: {}, ...conditional });
  return {
    mxHosts: [],
    tls: { server: { level: "accept", minVersion: "TLSv1.2", certificateId: null } },
    delivery: null,
  };
}

/** What one recipient of a live session received. */
interface Received {
  readonly command: "STARTTLS" | "MAIL" | "RCPT";
  readonly line: string;
  readonly asked: boolean;
  readonly presented: boolean;
  readonly fingerprint: string | null;
}

const addressed = (verb: string, address: string): string =>
  `${verb}:<${address}>${verb === "MAIL FROM" ? " SMTPUTF8" : ""}`;

/** One real connection. @returns one entry for each recipient. */
async function converse(stage: Stage, connection: RandomConnection): Promise<Received[]> {
  const { listener, clientAddress, protocol, helo, mails } = connection;
  const port = stage.worker.edge.listeners.find(({ name }) => name === listener)?.port ?? 0;
  const isProxied = listener === LISTENERS.proxied;
  const client = await SmtpClient.connect(
    port,
    isProxied ? { first: proxyV2For(clientAddress) } : { localAddress: clientAddress },
  );
  try {
    await client.reply();
    await client.say(`EHLO ${helo}`);
    const facts = { asked: false, presented: false, fingerprint: null };
    if (protocol === null) return await talk(client, mails, facts);
    const answer = await client.say("STARTTLS");
    if (!answer.startsWith("220 ")) return mails.map(() => ({ command: "STARTTLS", line: answer, ...facts }));
    const before = stage.events.length;
    const socket = await client.handshake(tlsOptions(connection));
    await client.say(`EHLO ${helo}`);
    const event = stage.events.slice(before).find((each) => each.kind === "handshake");
    const { asked = false, presented = false } = event ?? {};
    const { raw } = new X509Certificate(socket.getPeerCertificate().raw);
    const fingerprint = new X509Certificate(raw).fingerprint256.replaceAll(":", "").toLowerCase();
    return await talk(client, mails, { asked, presented, fingerprint });
  } finally {
    client.close();
  }
}

const tlsOptions = ({ protocol, sni, client, isOld }: RandomConnection) => ({
  ...(protocol === null ? {} : { minVersion: protocol, maxVersion: protocol }),
  ...(sni === null ? {} : { servername: sni }),
  ...(client === null ? {} : { cert: CLIENTS[client]?.bundlePem, key: CLIENTS[client]?.privateKeyPem }),
  ...(isOld ? { sigalgs: "rsa_pss_rsae_sha256:rsa_pkcs1_sha256" } : {}),
});

async function talk(
  client: SmtpClient,
  mails: RandomConnection["mails"],
  facts: Pick<Received, "asked" | "presented" | "fingerprint">,
): Promise<Received[]> {
  const received: Received[] = [];
  for (const { mailFrom, rcptTo } of mails) {
    const mail = await client.say(addressed("MAIL FROM", mailFrom));
    if (mail.startsWith("250")) {
      received.push({ command: "RCPT", line: await client.say(addressed("RCPT TO", rcptTo)), ...facts });
    } else received.push({ command: "MAIL", line: mail, ...facts });
    await client.say("RSET");
  }
  return received;
}

/** The request that describes one recipient of a connection. */
function described(connection: RandomConnection, mail: RandomConnection["mails"][number]): object {
  const { listener, clientAddress, protocol, sni, helo, client } = connection;
  return {
    listener,
    clientAddress,
    helo,
    ...mail,
    ...(protocol === null ? {} : { protocol }),
    ...(sni === null ? {} : { sni }),
    ...(protocol === null || client === null ? {} : { clientChainPem: CLIENTS[client]?.bundlePem }),
  };
}

/** What is compared of an evaluation and of a live session, in the same words. */
function fromEvaluation({ status, json }: { status: number; json: Json }): object {
  if (status === 422) return { refused: json.errors.map(({ code }: Json) => code) };
  if (status !== 200) return { status, json };
  return {
    command: json.command,
    line: json.reply?.line ?? json.verdict,
    verdict: json.verdict,
    asked: json.clientCertificateRequested,
    presented: json.clientCertificate.presented !== null,
    fingerprint: json.certificate?.fingerprintsSha256 ?? null,
  };
}

const VERDICTS = { "2": "accept", "4": "defer", "5": "reject" } as const;

/** @param served Fingerprints of the evaluation: the live one must be among them. */
function fromSession(
  { command, line, asked, presented, fingerprint }: Received,
  served: readonly string[] | null,
): object {
  if (command === "STARTTLS") return { refused: [line.startsWith("502") ? "starttls-not-offered" : line] };
  const isAmong = fingerprint !== null && served !== null && served.includes(fingerprint);
  const verdict = VERDICTS[line.slice(0, 1) as keyof typeof VERDICTS];
  return { command, line, verdict, asked, presented, fingerprint: isAmong ? served : fingerprint };
}

/** How often each case came up, so that a generator that misses one is noticed. */
class Seen {
  readonly #counts = new Map<string, number>();
  note(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
  of(what: string): number {
    return this.#counts.get(what) ?? 0;
  }
}

interface Round {
  readonly stage: Stage;
  readonly random: SeededRandom;
  readonly seen: Seen;
}

async function compareRound({ stage, random, seen }: Round): Promise<void> {
  const { api } = stage;
  const soon = new Date(api.clock.now() + SOON_MS).toISOString();
  const world = randomWorld(random, { ids: stage.ids, soon });
  const drafted = random.pick(DOMAINS);
  await settleAll(stage, world, random, drafted);
  const connections = Array.from({ length: CONNECTIONS }, () => randomConnection(random, MAILS));
  const draft = await draftOf(stage, world, random, drafted);
  const at = new Date(api.clock.now() + (world.isLate ? LATER_MS : 0)).toISOString();
  const drafts = await evaluateDraft(stage, { connections, drafted, draft, at });
  await settle(stage, drafted, () => draft);
  await expect.poll(async () => stage.snapshot()?.revision).toBe(await api.store.head());
  if (world.isLate) api.advance(LATER_MS);
  for (const connection of connections) {
    const received = await converse(stage, connection);
    for (const [index, mail] of connection.mails.entries()) {
      const request = described(connection, mail);
      const asked =
        random.below(2) === 0 ? request : { ...request, at: new Date(api.clock.now()).toISOString() };
      const answer = await api.send("POST", "/v1/evaluate", { body: asked });
      const live = received[index];
      if (live === undefined) throw new Error("a recipient without a reply");
      const who = { ...request, clientChainPem: connection.client };
      compare({ answer, live, request: who });
      const ofDraft = drafts.get(mail);
      if (ofDraft !== undefined) compare({ answer: ofDraft, live, request: { ...who, draft } });
      noteCase(seen, answer, { isDraft: ofDraft !== undefined });
    }
  }
}

async function settleAll(stage: Stage, world: World, random: SeededRandom, but: string): Promise<void> {
  for (const [name, produce] of world.domains) {
    if (name !== but) await settle(stage, name, () => produce(random));
  }
}

/** Settings that the API takes for the drafted domain; its stored settings stay. */
async function draftOf(
  stage: Stage,
  world: World,
  random: SeededRandom,
  name: string,
): Promise<RandomSettings | null> {
  const produce = world.domains.get(name);
  const session = { clientAddress: "192.0.2.1", mailFrom: "", rcptTo: `a@${name}` };
  for (let tried = 0; tried < MOST_TRIES; tried += 1) {
    const settings = produce?.(random) ?? null;
    if (settings === null) return null;
    const body = { ...session, settings };
    const { status } = await stage.api.send("POST", "/v1/evaluate?sharedHosts=move", { body });
    if (status === 200) return settings;
  }
  return null;
}

interface DraftedSessions {
  readonly connections: readonly RandomConnection[];
  readonly drafted: string;
  readonly draft: RandomSettings | null;
  readonly at: string;
}

/** Evaluations of the recipients of the drafted domain, before its settings are stored. */
async function evaluateDraft(stage: Stage, { connections, drafted, draft: settings, at }: DraftedSessions) {
  const found = new Map<object, { status: number; json: Json }>();
  for (const connection of settings === null ? [] : connections) {
    for (const mail of connection.mails.filter(({ rcptTo }) => rcptTo.endsWith(`@${drafted}`))) {
      const body = { ...described(connection, mail), settings, at };
      found.set(mail, await stage.api.send("POST", "/v1/evaluate?sharedHosts=move", { body }));
    }
  }
  return found;
}

function compare(pair: { answer: { status: number; json: Json }; live: Received; request: object }): void {
  const { answer, live, request } = pair;
  const served = answer.status === 200 ? (answer.json.certificate?.fingerprintsSha256 ?? null) : null;
  expect(fromEvaluation(answer), `the evaluation of ${JSON.stringify(request)}`).toEqual(
    fromSession(live, served),
  );
}

function noteCase(
  seen: Seen,
  { status, json }: { status: number; json: Json },
  { isDraft }: { isDraft: boolean },
): void {
  seen.note("pairs");
  if (isDraft) seen.note("drafts");
  if (status !== 200) return seen.note("not offered");
  seen.note(`row ${json.row}`);
  seen.note(`client ${json.clientCertificate.result}`);
  seen.note(`certificate ${json.certificate?.source}`);
  seen.note(json.command);
  if (json.exception !== null) seen.note("exception");
  if (json.reason !== null && json.verdict === "accept") seen.note("observed");
  if (json.reason !== null && json.row === null) seen.note(json.reason);
}

const CASES = [
  "row null,row 1,row 3,row 4,row 5,row 6,row 7,row 8,MAIL,RCPT,exception,observed,drafts,not offered",
  "client absent,client verified,client failed,certificate default,certificate settings",
  "routed-address,no-postmaster",
].flatMap((names) => names.split(","));

it("an evaluation equals a live edge in 3,840 random pairs of settings and session, with and without a next hop", async () => {
  const stages = [
    await startStage({}),
    await startStage({ DELIVERY: "smtp://mail.next-hop.example", POSTMASTER: "hostmaster@d2.example" }),
  ];
  const seen = new Seen();
  let rounds = 0;
  await fuzz("test/matrix/evaluate-and-edge.test.ts", ROUNDS, async (random) => {
    for (const stage of stages) await compareRound({ stage, random, seen });
    rounds += 1;
  });
  expect(seen.of("pairs")).toBe(2 * rounds * PAIRS);
  expect(CASES.filter((each) => seen.of(each) === 0)).toEqual([]);
});
