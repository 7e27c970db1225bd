import type { Actor } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { NotFound, RuleViolation, Unreadable } from "../errors.ts";
import type { Every } from "../same-fields.ts";
import { certificatesOf, crlsOf } from "../policy/trust.ts";
import { pointingAt } from "./issue-pointers.ts";
import { NOTHING_VOUCHES, nothingCanPass, vouches } from "./reference-rules.ts";
import { OwnRecords, readable, type RecordTarget, saysTheSame, type WrittenRecord } from "./record-write.ts";
import { quotaOf } from "./quota-of.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { LogEntry, Page, PageRequest } from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import { namingUsers } from "./certificate-view.ts";
import type { TrustStoreInput } from "./certificate-input.ts";
import {
  keptContent,
  notKept,
  previousOf,
  trustStoreContent,
  trustStoreUsedBy,
  type TrustStoreSummary,
  type TrustStoreView,
} from "./trust-store-view.ts";
import { labelledPage, type WantedLabel } from "./filtered-page.ts";
import { checkLoads } from "./load-at-edge.ts";
import { isTrustStoreId, type TrustStoreId } from "../name/ids.ts";
import { isHeld, trustName } from "../store/key-vault.ts";
import {
  type NewTrustStore,
  parseTrustStore,
  type TrustStoreContent,
  encodeTrustStoreContent,
} from "../x509/trust-anchors.ts";
import { NO_LABELS } from "../record/labels.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";

/** Only a CA that may issue for clients vouches under these. */
const STRICTEST = { names: { match: "list", allowed: [] }, purpose: "clientAuth" } as const;

export interface WrittenTrustStore {
  readonly trustStore: TrustStoreView;
  /** null = the write would have changed nothing, and was not made. */
  readonly entry: LogEntry | null;
}

/** Reads and writes of trust stores for one caller at a time. One of another account is absent. */
export class TrustStoreService {
  readonly #deps: ServiceDependencies;
  readonly #records: OwnRecords<TrustStoreId, TrustStoreRecord>;

  constructor(deps: ServiceDependencies) {
    this.#deps = deps;
    this.#records = new OwnRecords(deps, {
      kind: "trust-store",
      isId: isTrustStoreId,
      get: (id) => deps.store.getTrustStore(id),
      change: (id, before, after) => ({ kind: "trust-store", id, before, after }),
    });
  }

  /** @throws NotFound; Unreadable when the vault does not have its content. */
  async get(actor: Actor, id: string): Promise<TrustStoreView> {
    const record = await this.#records.get({ actor, id });
    return this.#view(record, await trustStoreContent(this.#deps.vault, record));
  }

  async list(
    actor: Actor,
    labels: readonly WantedLabel[],
    page: PageRequest,
  ): Promise<Page<TrustStoreSummary>> {
    const { store } = this.#deps;
    const read = (each: PageRequest) => store.listTrustStores(actor.account, each);
    const { items, unreadable, next } = await labelledPage(read, labels, page);
    const summaries: TrustStoreSummary[] = [];
    for (const record of items) summaries.push({ ...record, usedBy: await trustStoreUsedBy(store, record) });
    return { items: summaries, unreadable, next };
  }

  /** @param id of one that has been deleted; absent = a new one. @throws as `parseTrustStore` */
  async create(
    actor: Actor,
    input: TrustStoreInput,
    id: TrustStoreId = this.#deps.ids.trustStore(),
  ): Promise<WrittenTrustStore> {
    const made = this.#parse(input);
    await this.#deps.vault.put(trustName(made.contentSha256), made.contentBytes);
    const after = this.#new(actor, id, { ...made, label: input.label, labels: input.labels });
    const quota = await quotaOf(this.#deps.access, actor.account, "trust-store");
    const written = await this.#records.write(actor, async () => ({ id, before: null, after, quota }));
    return this.#written(written, made.content);
  }

  #new(
    actor: Actor,
    id: TrustStoreId,
    {
      label,
      labels,
      contentSha256,
      anchors,
      crls,
    }: NewTrustStore & Pick<TrustStoreInput, "label" | "labels">,
  ): TrustStoreRecord {
    const at = timestamp(this.#deps.clock.now());
    return {
      id,
      account: actor.account,
      label,
      labels,
      contentSha256,
      anchors,
      crls,
      previous: [],
      revision: 0,
      createdAt: at,
      updatedAt: at,
      updatedBy: actor.name,
    } satisfies Every<TrustStoreRecord>;
  }

  /**
   * Replaces label, labels and content. The content that is stored already is not judged again: with the time
   * its CRLs run out, and what was read must be taken back.
   * @throws RuleViolation when nothing could pass any more at a domain that requires a certificate; NotFound;
   *   as `create`; as the condition
   */
  async put(
    target: RecordTarget,
    input: TrustStoreInput,
    condition: WriteCondition,
  ): Promise<WrittenTrustStore> {
    const { before } = await this.#records.findFor(target, condition);
    const { label, labels, ...content } = input;
    const sent = encodeTrustStoreContent(content);
    const isStored = before !== null && before.contentSha256 === sent.contentSha256;
    const made = isStored ? { anchors: before.anchors, crls: before.crls, ...sent } : this.#parse(content);
    return this.#replace(target, { ...made, label, labels }, condition);
  }

  /**
   * Brings back the certificates and CRLs of a revision in `previous`; label and labels stay.
   * @throws Gone when that content is not kept; NotFound when the trust store has not had that revision; as
   *   `put`
   */
  async restore(target: RecordTarget, revision: number, condition: WriteCondition): Promise<TrustStoreView> {
    const present = readable(await this.#records.findFor(target, condition));
    const content = await this.#earlierContent(present, revision);
    const replace = () => this.#replace(target, this.#parse(content), condition);
    return (await pointingAt("/revision", replace)).trustStore;
  }

  async #earlierContent(record: TrustStoreRecord, revision: number): Promise<TrustStoreContent> {
    const kept = keptContent(record, revision);
    try {
      return await trustStoreContent(this.#deps.vault, { id: record.id, contentSha256: kept.contentSha256 });
    } catch (error) {
      // Written by a release that does not know `previous`, whose clean-up took the object away.
      if (error instanceof Unreadable && error.cause instanceof NotFound) throw notKept(record, revision);
      throw error;
    }
  }

  /** @param made with the new label and labels; absent = they stay. */
  async #replace(
    target: RecordTarget,
    made: NewTrustStore & Partial<Pick<TrustStoreRecord, "label" | "labels">>,
    condition: WriteCondition,
  ): Promise<WrittenTrustStore> {
    const { anchors, crls, contentSha256 } = made;
    const { vault } = this.#deps;
    const isThere = await isHeld(vault, trustName(contentSha256), contentSha256);
    let put: Promise<string> | null = null;
    const written = await this.#records.write(target.actor, async () => {
      const { id, before, replaced } = await this.#records.findFor(target, condition);
      const { label = before?.label ?? null, labels = before?.labels ?? NO_LABELS } = made;
      const record = before ?? this.#new(target.actor, id, { ...made, label, labels });
      const at = timestamp(this.#deps.clock.now());
      const previous = previousOf(record, { contentSha256, at });
      const after = { ...record, label, labels, anchors, crls, contentSha256, previous };
      if (before !== null && isThere && saysTheSame(before, after)) return { unchanged: before };
      // Also where the vault has it: what no record names yet must be young, or a clean-up takes it away.
      // Once for all tries.
      await (put ??= vault.put(trustName(contentSha256), made.contentBytes));
      if (before?.contentSha256 !== contentSha256) await this.#checkDomains(after);
      return { id, before, after, at, replaced };
    });
    return this.#written(written, made.content);
  }

  async #written(
    { record, entry }: WrittenRecord<TrustStoreRecord>,
    content: TrustStoreContent,
  ): Promise<WrittenTrustStore> {
    return { trustStore: await this.#view(record, content), entry };
  }

  /** @throws StateConflict (`in-use`); NotFound; as the condition */
  async delete(target: RecordTarget, condition: WriteCondition): Promise<LogEntry | null> {
    const { id } = await this.#records.findFor(target, condition);
    return namingUsers(
      () => this.#records.delete(target, condition),
      () => trustStoreUsedBy(this.#deps.store, { id }),
    );
  }

  #parse({ certificatesPem, crlPem }: TrustStoreContent): NewTrustStore {
    const made = parseTrustStore({ certificatesPem, crlPem }, { nowMs: this.#deps.clock.now() });
    const { loadAtEdge } = this.#deps;
    checkLoads(loadAtEdge, "/certificatesPem", { anchorsPem: certificatesOf(made.content.certificatesPem) });
    checkLoads(loadAtEdge, "/crlPem", { crlsPem: crlsOf(made.content.crlPem) });
    return made;
  }

  async #checkDomains(changed: TrustStoreRecord): Promise<void> {
    const { store, clock } = this.#deps;
    // As long as it vouches under the strictest names and purpose, no domain that names it is left with
    // nothing: none is read.
    if (vouches(changed, STRICTEST, clock.now())) return;
    for (const domain of await store.domainsOfTrustStore(changed.id)) {
      const ids = domain.tls.clientCertificate.trust.trustStoreIds;
      const stores = await Promise.all(
        ids.map(async (id) => (id === changed.id ? changed : this.#vouching(id))),
      );
      if (!nothingCanPass(domain, stores, clock.now())) continue;
      const message = `nothing could pass at ${domain.name}, which requires a client certificate: ${NOTHING_VOUCHES}`;
      throw new RuleViolation([{ pointer: "/certificatesPem", code: "nothing-can-pass", message }]);
    }
  }

  /** One that cannot be read is not what lets nothing pass. */
  async #vouching(id: TrustStoreId): Promise<TrustStoreRecord | null> {
    try {
      return await this.#deps.store.getTrustStore(id);
    } catch (error) {
      if (error instanceof Unreadable) return null;
      throw error;
    }
  }

  async #view(record: TrustStoreRecord, content: TrustStoreContent): Promise<TrustStoreView> {
    return { ...record, ...content, usedBy: await trustStoreUsedBy(this.#deps.store, record) };
  }
}
