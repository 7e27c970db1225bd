import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Running, httpUrl, readRunning } from "../../../local/running.ts";
import type { IssuedCertificate } from "../pki.ts";
import { atTheEnd } from "./endings.ts";
import { waitUntil } from "./wait-until.ts";

const ROOT = join(import.meta.dirname, "../../..");
const TOKEN = "token-of-the-tests";
const POLL_INTERVAL_MS = 50;

/** One line of the product's log. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * The real product as a child process: API and worker on free ports, everything it keeps in a separate
 * directory.
 */
export interface Product {
  readonly pid: number;
  readonly dataDir: string;
  /** Of the shared listener. */
  readonly smtpPort: number;
  readonly healthUrl: string;
  /**
   * Sends JSON to the API with the operator's token; `change` is for what is there, whatever its revision.
   */
  readonly api: (method: string, path: string, body?: unknown) => Promise<ApiAnswer>;
  readonly change: (method: string, path: string, body: unknown) => Promise<ApiAnswer>;
  /** Creates a domain; the edge enforces it when this resolves. Throws when the API refuses. */
  readonly putDomain: (name: string, settings: unknown) => Promise<void>;
  /** Waits until the edge enforces the settings of a revision. */
  readonly inForce: (revision: number) => Promise<void>;
  /** The id of a new trust store. */
  readonly createTrustStore: (certificatesPem: string) => Promise<string>;
  /** The id of a new certificate for MX hosts. */
  readonly createCertificate: (certificate: IssuedCertificate) => Promise<string>;
  readonly log: () => readonly LogLine[];
  /** The log line of the session in which the client called itself `helo`. */
  readonly session: (helo: string) => Promise<LogLine>;
  /** The message with this subject, once it lies in the maildir. */
  readonly arrival: (subject: string) => Promise<string>;
  /** Ends it by SIGTERM and removes its directory. Throws when it did not end in order. */
  readonly stop: () => Promise<void>;
}

/** @param env variables beside those that every product of the tests has. */
export async function startProduct(env: Readonly<Record<string, string>> = {}): Promise<Product> {
  const dataDir = mkdtempSync(join(tmpdir(), "postern-data-"));
  const temporary = mkdtempSync(join(tmpdir(), "postern-data-tmp-"));
  const child = spawn(process.execPath, [join(ROOT, "local/main.ts")], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      // Its own, since a process that is killed leaves its temporary files behind.
      TMPDIR: temporary,
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
      API_PORT: "0",
      SMTP_PORT: "0",
      HEALTH_PORT: "0",
      SMTP_NAME: "postern.example",
      DATA_DIR: dataDir,
      API_TOKEN: TOKEN,
      SETTINGS_POLL_INTERVAL_MS: String(POLL_INTERVAL_MS),
      ...env,
    },
  });
  child.once("close", () => rmSync(temporary, { recursive: true, force: true }));
  const output = { screen: "", log: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (output.screen += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (output.log += text));
  try {
    const running = await waitUntil(() => runningOrGone(child, dataDir), {
      what: "the product starts",
      explain: () => output.log,
    });
    const product = productOf({ child, dataDir, running, log: () => output.log });
    atTheEnd(product.stop);
    return product;
  } catch (error) {
    child.kill("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
    throw new Error(`${String(error)}\n${output.log}`, { cause: error });
  }
}

function runningOrGone(child: ChildProcess, dataDir: string): Running | undefined {
  if (child.exitCode !== null) throw new Error(`the product left with ${child.exitCode} at its start`);
  return readRunning(dataDir) ?? undefined;
}

interface Started {
  readonly child: ChildProcess;
  readonly dataDir: string;
  readonly running: Running;
  readonly log: () => string;
}

function productOf(started: Started): Product {
  const { dataDir, running } = started;
  const healthUrl = httpUrl(running.health);
  const call =
    (headers: Readonly<Record<string, string>>) => (method: string, path: string, body?: unknown) =>
      callApi(`${httpUrl(running.api)}${path}`, { method, headers, body });
  const api = call({});
  const log = (): readonly LogLine[] => parseLog(started.log());
  const waiting = { explain: started.log };
  const inForce = async (revision: number): Promise<void> => {
    await waitUntil(() => holdsRevision(healthUrl, revision), {
      ...waiting,
      what: `revision ${revision} in force`,
    });
  };
  return {
    pid: running.pid,
    dataDir,
    smtpPort: running.smtp.port,
    healthUrl,
    api,
    change: call({ "if-match": "*" }),
    log,
    putDomain: async (name, settings) => {
      const { revision } = await created(api("PUT", `/v1/domains/${name}`, settings));
      await inForce(revision);
    },
    inForce,
    createTrustStore: async (certificatesPem) =>
      (await created(api("POST", "/v1/trust-stores", { label: "tests", certificatesPem }))).id,
    createCertificate: async ({ certificatePem, chainPem, privateKeyPem }) => {
      const chain = chainPem === "" ? {} : { chainPem };
      const body = { source: "pem", certificatePem, privateKeyPem, ...chain };
      return (await created(api("POST", "/v1/certificates", body))).id;
    },
    session: (helo) =>
      waitUntil(() => log().find((line) => line["event"] === "session" && line["helo"] === helo), {
        ...waiting,
        what: `the session of ${helo} is logged`,
      }),
    arrival: (subject) =>
      waitUntil(() => messagesIn(dataDir).find((message) => message.includes(`Subject: ${subject}\r\n`)), {
        ...waiting,
        what: `"${subject}" arrives`,
      }),
    stop: () => stop(started),
  };
}

interface ApiCall {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

async function callApi(url: string, { method, headers, body }: ApiCall): Promise<ApiAnswer> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", ...headers },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

interface Created {
  readonly id: string;
  readonly revision: number;
}

async function created(answer: Promise<ApiAnswer>): Promise<Created> {
  const { status, body } = await answer;
  if (status !== 201) throw new Error(`the API answered ${status}: ${JSON.stringify(body)}`);
  return body as Created;
}

async function holdsRevision(healthUrl: string, revision: number): Promise<true | undefined> {
  const ready = (await (await fetch(`${healthUrl}/ready`)).json()) as { readonly revision?: number };
  return (ready.revision ?? 0) >= revision ? true : undefined;
}

function parseLog(text: string): readonly LogLine[] {
  return text.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as LogLine] : []));
}

function messagesIn(dataDir: string): readonly string[] {
  const files = globSync(join(dataDir, "mail/new/*"));
  return files.map((path) => readFileSync(path, "utf8"));
}

async function stop({ child, dataDir, log }: Started): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const closed = once(child, "close");
    child.kill("SIGTERM");
    await closed;
  }
  if (existsSync(dataDir)) rmSync(dataDir, { recursive: true });
  if (child.exitCode !== 0)
    throw new Error(`the product ended with ${child.exitCode ?? child.signalCode}\n${log()}`);
}
