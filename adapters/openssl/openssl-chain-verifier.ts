/** ClientChainVerifier by `openssl verify`. */

import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import type { Clock } from "../../core/clock.ts";
import { BoundedMap } from "../../core/bounded-map.ts";
import type { ChainQuestion, ChainVerdict, ClientChainVerifier } from "../../core/policy/chain-verifier.ts";
import { mayHaveSeveralPaths } from "../../core/policy/trust-index.ts";
import { type CertificatePath, findPaths } from "./certificate-paths.ts";
import { ClientRate } from "./client-rate.ts";
import { findOpenSsl, runCommand, type RunCommand } from "./command.ts";
import { Gate } from "./gate.ts";
import { outlookOf, summariseTrust, type TrustSummary } from "./trust-summary.ts";
import { VerdictCache } from "./verdict-cache.ts";
import {
  chainVerdict,
  hasBadCrlSignature,
  isPurposeAlone,
  readVerifyOutput,
  verifyArguments,
  type VerifyFiles,
  type VerifyOutcome,
  type VerifyTerms,
} from "./verify-command.ts";
import { Workspace } from "./workspace.ts";

export interface OpenSslVerifierOptions {
  readonly clock: Clock;
  /** `maxChainVerificationsPerClient` of the edge's limits; cached answers are not counted. */
  readonly maxPerClientPerMinute: number;
  /** Program to run; found in PATH. */
  readonly command?: string;
  readonly run?: RunCommand;
  /** Where the private directory is made. */
  readonly temporaryDirectory?: string;
  readonly bounds?: Partial<VerifierBounds>;
}

export interface OpenSslChainVerifier extends ClientChainVerifier {
  /** Why `available` is false; null when it is true. For the log at start and /ready. */
  readonly problem: string | null;
  /**
   * Ends: waits for runs in progress, removes the directory. Questions after it are not judged. Never
   * rejects.
   */
  close(): Promise<void>;
}

/**
 * Names, units, reasons. A run takes 20 to 50 ms of one core, of which a few at a time leave enough for the
 * sessions.
 */
export const BOUNDS = {
  /** Runs at a time. */
  concurrent: 2,
  /** Questions that wait for a run; more are not judged, and the clients come again. */
  queueLength: 32,
  queueWaitMs: 5_000,
  /** One run of `openssl verify` is killed after this. */
  runMs: 2_000,
  /** `openssl` writes two lines for each finding. */
  outputBytes: 64 * 1024,
  /** A verdict is asked for again after this, and at each date of chain, anchors and CRLs. */
  verdictAgeMs: 5 * 60_000,
  verdicts: 2_000,
  /** Trusts whose files and summaries are kept; each is up to some MB. */
  trusts: 16,
  /** Clients whose number of verifications is remembered. */
  clients: 10_000,
} as const;
export type VerifierBounds = Readonly<Record<keyof typeof BOUNDS, number>>;

/**
 * Judges chains with `openssl verify` in a child process: no library for Node checks all of a path.
 * When the program is not there, or no directory can be made, every question is `not-judged`.
 */
export async function createOpenSslChainVerifier(
  options: OpenSslVerifierOptions,
): Promise<OpenSslChainVerifier> {
  const { command = "openssl", run = runCommand, temporaryDirectory = tmpdir() } = options;
  const bounds = { ...BOUNDS, ...options.bounds };
  const { problem } = await findOpenSsl(command, run);
  if (problem !== null) return unavailable(problem);
  try {
    const workspace = await Workspace.create(temporaryDirectory, bounds.trusts);
    return new Verifier({ ...options, command, run, temporaryDirectory }, bounds, workspace);
  } catch {
    return unavailable(`no private directory can be made in ${temporaryDirectory}`);
  }
}

const unavailable = (problem: string): OpenSslChainVerifier => ({
  available: false,
  problem,
  verify: () => Promise.resolve(notJudged(problem)),
  close: () => Promise.resolve(),
});

/** Depends on chain and trust alone. */
const neverJudged = (why: string): ChainVerdict => ({ kind: "not-judged", why, isFinal: true });

const notJudged = (why: string): ChainVerdict & { kind: "not-judged" } => ({ kind: "not-judged", why });

const TOO_MANY_RUNS: ChainVerdict = {
  ...notJudged("too many verifications for this client"),
  tooMany: true,
};
const TOO_MANY_PATHS = "more paths to a trusted authority are possible than are tried";
const CRLS_OF_ONE_NAME = "two authorities of one name on the path have CRLs that do not say whose they are";

/** Of two verdicts that let no client pass, the one with which a server may. */
const isBetter = (verdict: ChainVerdict, best: ChainVerdict): boolean =>
  verdict.kind === "judged" && best.kind === "judged" && rankOf(verdict) > rankOf(best);
const rankOf = ({ valid, serverAuth }: ChainVerdict & { kind: "judged" }): number =>
  valid ? (serverAuth ? 2 : 1) : 0;

const invalid = (detail: string): ChainVerdict => ({
  kind: "judged",
  valid: false,
  clientAuth: false,
  serverAuth: false,
  detail,
});

type Settled = Required<Omit<OpenSslVerifierOptions, "bounds">>;

class Verifier implements OpenSslChainVerifier {
  readonly available = true;
  readonly problem = null;
  readonly #options: Settled;
  readonly #bounds: VerifierBounds;
  readonly #gate: Gate;
  readonly #rate: ClientRate;
  readonly #verdicts: VerdictCache;
  readonly #underway = new Map<string, Promise<ChainVerdict>>();
  readonly #summaries: BoundedMap<string, TrustSummary>;
  #workspace: Workspace;
  #closed = false;

  constructor(options: Settled, bounds: VerifierBounds, workspace: Workspace) {
    this.#options = options;
    this.#bounds = bounds;
    this.#workspace = workspace;
    this.#gate = new Gate({
      places: bounds.concurrent,
      queueLength: bounds.queueLength,
      waitMs: bounds.queueWaitMs,
    });
    this.#rate = new ClientRate({ perMinute: options.maxPerClientPerMinute, clients: bounds.clients });
    this.#verdicts = new VerdictCache(bounds.verdicts);
    this.#summaries = new BoundedMap(bounds.trusts);
  }

  async verify(question: ChainQuestion): Promise<ChainVerdict> {
    try {
      return await this.#answer(question);
    } catch {
      return notJudged("the verification could not be carried out");
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underway.values());
    await this.#workspace.remove();
  }

  async #answer(question: ChainQuestion): Promise<ChainVerdict> {
    const { chain, trust, client } = question;
    if (this.#closed) return notJudged("the verifier is closed");
    if (trust.unusable) return notJudged("the trust could not be loaded");
    if (chain.length === 0) return invalid("no certificate");
    if (trust.anchorsPem.length === 0) return invalid("no certificate authority is trusted");

    const nowMs = this.#options.clock.now();
    // At another moment than now, a verdict is for this question alone.
    const { atMs = nowMs } = question;
    const key = keyOf(question);
    const known = this.#verdicts.get(key, nowMs) ?? this.#underway.get(key);
    if (known !== undefined) return known;
    const { readable, mayBeValid, changesAt } = outlookOf(chain, this.#summaryOf(question), atMs);
    if (!readable) return invalid("the certificate cannot be read");
    if (!mayBeValid) return invalid("no certificate of the chain was issued by a trusted authority");
    if (!this.#rate.take(client, nowMs)) return TOO_MANY_RUNS;

    const judged = this.#judge(question, nowMs).finally(() => this.#underway.delete(key));
    this.#underway.set(key, judged);
    const verdict = await judged;
    const until = Math.min(
      nowMs + this.#bounds.verdictAgeMs,
      question.atMs === undefined ? changesAt : Infinity,
    );
    if (verdict.kind === "judged") this.#verdicts.set(key, verdict, { from: nowMs, until });
    return verdict;
  }

  #summaryOf({ trust }: ChainQuestion): TrustSummary {
    const summary = this.#summaries.get(trust.hash) ?? summariseTrust(trust);
    this.#summaries.set(trust.hash, summary);
    return summary;
  }

  /**
   * One run with all that was sent and the whole trust, unless names allow several paths: then one run for
   * each path, until one is good for a client. Each path after the first counts against the client's rate.
   */
  async #judge(question: ChainQuestion, nowMs: number): Promise<ChainVerdict> {
    const { chain, trust, client } = question;
    if (!mayHaveSeveralPaths(chain, trust)) return this.#queue(question, null);
    const { paths, complete } = findPaths(question, question.atMs ?? nowMs);
    if (paths.length === 0) return complete ? this.#queue(question, null) : neverJudged(TOO_MANY_PATHS);
    let best: ChainVerdict | null = null;
    let open: ChainVerdict | null = complete ? null : neverJudged(TOO_MANY_PATHS);
    for (const [at, path] of paths.entries()) {
      const verdict =
        at === 0 || this.#rate.take(client, nowMs) ? await this.#queue(question, path) : TOO_MANY_RUNS;
      if (verdict.kind === "not-judged") open = verdict;
      else if (verdict.valid && verdict.clientAuth) return verdict;
      else if (best === null || isBetter(verdict, best)) best = verdict;
      if (verdict === TOO_MANY_RUNS) break;
    }
    // A path that was not judged may be the good one.
    return open ?? best ?? neverJudged(TOO_MANY_PATHS);
  }

  async #queue(question: ChainQuestion, path: CertificatePath | null): Promise<ChainVerdict> {
    const verdict = await this.#gate.enter(() => this.#runs(question, path));
    return verdict ?? notJudged("too many verifications at a time");
  }

  async #runs(question: ChainQuestion, path: CertificatePath | null): Promise<ChainVerdict> {
    const workspace = this.#workspace;
    try {
      const verdict = await workspace.withFiles(question, path, async (files) => {
        const client = await this.#run(files, { ...question, purpose: "sslclient" });
        if (path?.crlsShareName === true && hasBadCrlSignature(client)) return neverJudged(CRLS_OF_ONE_NAME);
        return chainVerdict(
          client,
          isPurposeAlone(client) ? await this.#run(files, { ...question, purpose: "sslserver" }) : null,
        );
      });
      if (verdict.kind === "not-judged") await this.#renewIfSpoiled(workspace);
      return verdict;
    } catch (error) {
      await this.#renewIfSpoiled(workspace);
      throw error;
    }
  }

  /**
   * Files may be gone: cleaners of /tmp remove what is ten days old. A new directory, since a name in /tmp
   * can be taken.
   */
  async #renewIfSpoiled(workspace: Workspace): Promise<void> {
    if (workspace !== this.#workspace || (await workspace.isWhole())) return;
    const renewed = await Workspace.create(this.#options.temporaryDirectory, this.#bounds.trusts);
    const spare = workspace === this.#workspace ? workspace : renewed;
    if (spare === workspace) this.#workspace = renewed;
    await spare.remove();
  }

  async #run(files: VerifyFiles, terms: VerifyTerms): Promise<VerifyOutcome> {
    const { command, run } = this.#options;
    const limits = { timeoutMs: this.#bounds.runMs, maxOutputBytes: this.#bounds.outputBytes };
    return readVerifyOutput(await run(command, verifyArguments(files, terms), limits), files.leaf);
  }
}

/** Lengths go in too, so that no two chains give the same bytes. */
function keyOf({ chain, trust, atMs }: ChainQuestion): string {
  const hash = createHash("sha256").update(`${trust.hash} ${String(atMs ?? "")}`);
  for (const der of chain) hash.update(`:${String(der.length)}:`).update(der);
  return hash.digest("base64");
}
