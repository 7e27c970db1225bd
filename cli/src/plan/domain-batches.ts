import {
  type DomainBatchItemInput,
  type DomainBatchResult,
  type DomainInput,
  PosternError,
} from "../../../sdk/src/index.ts";
import { isSame } from "./file-schema.ts";
import { type Applying, type Fault, faultOf, type Outcomes, revisionOf } from "./outcome.ts";
import type { DomainStep } from "./step.ts";
import { settingsOf } from "./stored.ts";

export interface Batching extends Applying {
  readonly outcomes: Outcomes;
  /** Ids of the records that domains name, by `<kind>:<label>`. */
  readonly ids: ReadonlyMap<string, string>;
}

const BATCH_ITEMS = 100;
/** Octets of a body that the API takes. */
const BODY_OCTETS = 1_000_000;
const TOO_LARGE = 413;
/** Batches in flight: an API serialises its writes, and a second one fills the time between them. */
const LANES = 2;
const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

/** Writes domains by batches. Domains that share an MX host stay in the order of the plan. */
export async function applyDomains(steps: readonly DomainStep[], batching: Batching): Promise<void> {
  const ready = steps.flatMap((step) => {
    const item = itemOf(step, batching.ids);
    if (typeof item !== "string") return [new Pending(step, item)];
    const message = `${item} was not created`;
    batching.outcomes.notTried(step, { code: null, message, places: [], isConflict: false });
    return [];
  });
  await Promise.all(lanesOf(ready).map((lane) => new Lane(lane, batching).run()));
}

/** A step until its write has a result. */
class Pending {
  readonly step: DomainStep;
  item: DomainBatchItemInput;
  /** What is to be written after the item; null = nothing. */
  next: DomainInput | null = null;
  tries = 0;

  constructor(step: DomainStep, item: DomainBatchItemInput) {
    this.step = step;
    this.item = item;
  }

  get octets(): number {
    return Buffer.byteLength(JSON.stringify(this.item));
  }
}

/** The item of a step; or the record, as `certificate mx1`, that it names and that was not created. */
function itemOf(step: DomainStep, ids: ReadonlyMap<string, string>): DomainBatchItemInput | string {
  const { name, revision, write } = step;
  const condition = revision === null ? { ifNoneMatch: "*" } : { ifMatch: `"${revision}"` };
  if (write === null) return { name, ...condition, delete: true };
  const { put, missing } = withIds(write.put, ids);
  return missing ?? { name, ...condition, put, ...(write.movesHosts ? { sharedHosts: "move" } : {}) };
}

const NEW = "new:";

/** With the ids of records that the plan has created. */
function withIds(
  put: DomainInput,
  ids: ReadonlyMap<string, string>,
): { put: DomainInput; missing: string | null } {
  const { tls } = put;
  const trust = tls?.clientCertificate?.trust;
  const named = [tls?.server?.certificateId ?? "", ...(trust?.trustStoreIds ?? [])];
  if (!named.some((id) => id.startsWith(NEW))) return { put, missing: null };
  const idOf = (id: string): string => (id.startsWith(NEW) ? (ids.get(id.slice(NEW.length)) ?? id) : id);
  const missing = named.map(idOf).find((id) => id.startsWith(NEW)) ?? null;
  const certificateId = tls?.server?.certificateId ?? null;
  const server = { ...tls?.server, certificateId: certificateId === null ? null : idOf(certificateId) };
  const trustStoreIds = trust?.trustStoreIds?.map(idOf) ?? [];
  const clientCertificate = { ...tls?.clientCertificate, trust: { ...trust, trustStoreIds } };
  return {
    put: { ...put, tls: { ...tls, server, clientCertificate } },
    missing: missing === null ? null : missing.slice(NEW.length).replace(":", " "),
  };
}

/** Splits steps so that those of one MX host are in one lane. */
function lanesOf(pending: readonly Pending[]): readonly Pending[][] {
  const parents = new Map<string, string>();
  const rootOf = (key: string): string => {
    let root = key;
    for (let up = parents.get(root); up !== undefined && up !== root; up = parents.get(root)) root = up;
    parents.set(key, root);
    return root;
  };
  for (const { step } of pending)
    for (const host of hostsOf(step)) parents.set(rootOf(`host ${host}`), rootOf(`domain ${step.name}`));
  const groups = new Map<string, Pending[]>();
  for (const each of pending) {
    const root = rootOf(`domain ${each.step.name}`);
    const group = groups.get(root) ?? [];
    groups.set(root, group);
    group.push(each);
  }
  // A batch's worth of steps to each lane in turn, so that few steps are one batch, in their order.
  const lanes = Array.from({ length: LANES }, (): Pending[] => []);
  let placed = 0;
  for (const group of groups.values()) {
    const lane = lanes[Math.floor(placed / BATCH_ITEMS) % LANES];
    for (const each of group) lane?.push(each);
    placed += group.length;
  }
  return lanes;
}

const hostsOf = ({ write, changes }: DomainStep): readonly string[] => [
  ...(write?.put.mxHosts ?? []),
  ...changes.flatMap(({ field, before }) =>
    field === "mxHosts" && Array.isArray(before) ? before.map(String) : [],
  ),
];

/** Whether the write is one of the certificate, which all hosts of the domain get. */
const setsCertificate = ({ action, changes }: DomainStep): boolean =>
  action === "create" || changes.some(({ field }) => field === "tls.server.certificateId");

/** One batch after another. */
class Lane {
  /** MX hosts that have their certificate from a write of this plan: not all of them. */
  readonly #hosts = new Set<string>();
  #queue: readonly Pending[];
  /** Of a body: fewer than the API takes, where a proxy before it has answered 413. */
  #mostOctets = BODY_OCTETS;
  readonly #batching: Batching;

  constructor(queue: readonly Pending[], batching: Batching) {
    this.#queue = queue;
    this.#batching = batching;
  }

  async run(): Promise<void> {
    const { outcomes, effects } = this.#batching;
    while (this.#queue.length > 0 && outcomes.stopped === null) {
      const batch = nextBatch(this.#queue, this.#mostOctets);
      this.#queue = this.#queue.slice(batch.length);
      try {
        await this.#settle(batch, await this.#send(batch));
      } catch (error) {
        if (this.#isSplit(batch, error)) continue;
        const left = batch.filter(({ step }) => outcomes.of(step).result === "not-tried");
        for (const { step } of left) outcomes.met(step, error, effects.signal.aborted);
      }
    }
  }

  /** Whether a batch was too large, and is in the queue again for smaller ones. */
  #isSplit(batch: readonly Pending[], error: unknown): boolean {
    if (!(error instanceof PosternError && error.status === TOO_LARGE) || batch.length === 1) return false;
    this.#mostOctets = Math.floor(octetsOf(batch) / 2);
    for (const each of batch) each.tries -= 1;
    this.#queue = [...batch, ...this.#queue];
    return true;
  }

  /** @returns no results where the API asks to send the batch again */
  async #send(batch: readonly Pending[]): Promise<readonly DomainBatchResult[] | PosternError> {
    for (const each of batch) each.tries += 1;
    try {
      return await this.#batching.postern.domains.batch(batch.map(({ item }) => item));
    } catch (error) {
      const isBusy = error instanceof PosternError && BUSY.has(error.status);
      if (isBusy && batch.every(({ tries }) => tries < MAX_TRIES)) return error;
      throw error;
    }
  }

  async #settle(
    batch: readonly Pending[],
    results: readonly DomainBatchResult[] | PosternError,
  ): Promise<void> {
    const again: Pending[] = [];
    let isBusy = results instanceof PosternError;
    for (const [index, each] of batch.entries()) {
      const result = results instanceof PosternError ? null : results[index];
      if (result === null) again.push(each);
      else if (result === undefined) throw new TypeError("the answer has no result of an item");
      else if (BUSY.has(result.status) && each.tries < MAX_TRIES) {
        isBusy = true;
        again.push(each);
      } else if (!(await this.#finish(each, result))) again.push(each);
    }
    this.#queue = [...again, ...this.#queue];
    if (isBusy) await this.#pause(results, Math.max(...batch.map(({ tries }) => tries)));
  }

  /** @returns false: it is to be sent again */
  async #finish(each: Pending, { status, etag, problem }: DomainBatchResult): Promise<boolean> {
    const { outcomes } = this.#batching;
    const { step } = each;
    const revision = revisionOf(etag);
    const isGone = step.action === "delete" && status === 404;
    if (status < 300 || isGone) return this.#written(each, revision);
    if (status === 412 && each.tries < MAX_TRIES && revision !== null && outcomes.isOwn(revision)) {
      // A write of this plan moved its MX host, and the domain with it.
      const { ifNoneMatch: _created, ...item } = each.item;
      each.item = { ...item, ifMatch: `"${revision}"` };
      await this.#writeOtherHosts(each);
      return false;
    }
    if (status === 412 && each.tries > 1 && (await this.#isStored(each)))
      return this.#written(each, revision);
    outcomes.failed(step, faultOfProblem(problem, status));
    return true;
  }

  /** @returns false: more of the step is to be written */
  #written(each: Pending, revision: number | null): boolean {
    const { outcomes } = this.#batching;
    const { step, item, next } = each;
    if (next !== null && revision !== null) {
      outcomes.wrote(revision);
      each.item = { ...item, ifMatch: `"${revision}"`, put: next };
      each.next = null;
      return false;
    }
    if (setsCertificate(step)) for (const host of step.write?.put.mxHosts ?? []) this.#hosts.add(host);
    outcomes.done(step, revision);
    return true;
  }

  /**
   * A domain whose first host was moved shows the wanted certificate already: the API takes its write for one
   * that leaves the certificate alone, and its other hosts keep the one before. So one of those becomes the
   * first host, and the order of the file is written after that.
   */
  async #writeOtherHosts(each: Pending): Promise<void> {
    const { step, item } = each;
    const put = each.next ?? item.put;
    if (put?.mxHosts === undefined || !setsCertificate(step)) return;
    if (put.mxHosts.every((host) => this.#hosts.has(host))) return;
    const now = await this.#batching.postern.domains.status(step.name);
    const wanted = put.tls?.server?.certificateId ?? null;
    const others = now.mxHosts.filter(({ own, certificateId }) => own && certificateId !== wanted);
    const first = others.map(({ host }) => host).find((host) => put.mxHosts?.includes(host));
    if (first === undefined) return;
    const mxHosts = [first, ...put.mxHosts.filter((host) => host !== first)];
    each.item = { ...item, put: { ...put, mxHosts } };
    each.next = put;
  }

  /** Whether an earlier try, whose answer was lost or 503, was stored after all. */
  async #isStored({ step, item }: Pending): Promise<boolean> {
    const { put } = item;
    if (put === undefined) return false;
    const now = settingsOf(await this.#batching.postern.domains.get(step.name));
    return isSame(JSON.parse(JSON.stringify(now)), JSON.parse(JSON.stringify(put)));
  }

  async #pause(results: unknown, tries: number): Promise<void> {
    const { clock, signal } = this.#batching.effects;
    const asked = results instanceof PosternError ? (results.retryAfterMs ?? 0) : 0;
    const own = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
    await clock.sleep(Math.max(asked, own * (1 + clock.random()) * 0.5), signal);
  }
}

const BUSY: ReadonlySet<number> = new Set([429, 503]);

const ENVELOPE_OCTETS = Buffer.byteLength(JSON.stringify({ items: [] }));

/** Of the body that the items are sent in. */
const octetsOf = (batch: readonly Pending[]): number =>
  batch.reduce((sum, { octets }) => sum + octets + 1, ENVELOPE_OCTETS - 1);

function nextBatch(queue: readonly Pending[], mostOctets: number): readonly Pending[] {
  let octets = ENVELOPE_OCTETS - 1;
  const batch: Pending[] = [];
  for (const each of queue.slice(0, BATCH_ITEMS)) {
    octets += each.octets + 1;
    if (batch.length > 0 && octets > mostOctets) break;
    batch.push(each);
  }
  return batch;
}

function faultOfProblem(problem: DomainBatchResult["problem"], status: number): Fault {
  const isConflict = status === 409 || status === 412;
  if (problem === undefined) return { ...faultOf(new Error(`status ${status}`)), isConflict };
  return {
    code: problem.type.slice(problem.type.lastIndexOf(":") + 1),
    message: problem.detail,
    places: problem.errors.map(({ pointer, code, message }) => ({
      pointer: pointer.replace(/^\/items\/\d+\/(?:put|patch)/u, ""),
      message: `${code}: ${message}`,
    })),
    isConflict,
  };
}
