import type { Actor } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { NotFound, RuleViolation, Unreadable } from "../errors.ts";
import { nothingCanPass } from "../settings/record-rules.ts";
import {
  commitAlone,
  commitChange,
  commitUnder,
  type RecordTarget,
  saysTheSame,
  type Unchanged,
} from "../settings/record-write.ts";
import type { ServiceDependencies } from "../settings/service-dependencies.ts";
import type { Commit, Page, PageRequest } from "../settings/store.ts";
import { checkCondition, UNCONDITIONAL, type WriteCondition } from "../settings/write-condition.ts";
import type { TrustStoreInput } from "./certificate-input.ts";
import { isTrustStoreId, type TrustStoreId } from "./ids.ts";
import { isHeld, trustName } from "./key-vault.ts";
import { type NewTrustStore, parseTrustStore } from "./trust-anchors.ts";
import { decodeTrustStoreContent } from "./trust-store-content.ts";
import type { TrustStoreContent, TrustStoreRecord } from "./trust-store.ts";
import { trustStoreUsedBy, type TrustStoreSummary, type TrustStoreView } from "./trust-store-view.ts";

interface TrustStoreChange {
  readonly id: TrustStoreId;
  readonly before: TrustStoreRecord | null;
  readonly after: TrustStoreRecord | null;
  readonly expectedHead: number;
}

/** Reads and writes of trust stores for one caller at a time. One of another account is absent. */
export class TrustStoreService {
  readonly #deps: ServiceDependencies;

  constructor(deps: ServiceDependencies) {
    this.#deps = deps;
  }

  /** @throws NotFound; Unreadable when the vault does not have its content. */
  async get(actor: Actor, id: string): Promise<TrustStoreView> {
    const record = await this.#own(actor, id);
    return this.#view(record, await this.#content(record));
  }

  async list(actor: Actor, page: PageRequest): Promise<Page<TrustStoreSummary>> {
    const { store } = this.#deps;
    const { items, next } = await store.listTrustStores(actor.account, page);
    const summaries: TrustStoreSummary[] = [];
    for (const record of items) summaries.push({ ...record, usedBy: await trustStoreUsedBy(store, record) });
    return { items: summaries, next };
  }

  /** @throws InvalidInput, RuleViolation, TooLarge: see `parseTrustStore` */
  async create(actor: Actor, input: TrustStoreInput): Promise<TrustStoreView> {
    const made = this.#parse(input);
    await this.#deps.vault.put(trustName(made.contentSha256), made.contentBytes);
    const id = this.#deps.ids.trustStore();
    const at = timestamp(this.#deps.clock.now());
    const { anchors, crls, contentSha256 } = made;
    const after: TrustStoreRecord = {
      id,
      account: actor.account,
      label: input.label,
      contentSha256,
      anchors,
      crls,
      revision: 0,
      createdAt: at,
      updatedAt: at,
      updatedBy: actor.name,
    };
    return this.#commit(made.content, UNCONDITIONAL, async (expectedHead) =>
      this.#change(actor, { id, before: null, after, expectedHead }),
    );
  }

  /**
   * Replaces label and content.
   * @throws RuleViolation when nothing could pass any more at a domain that requires a certificate; NotFound; as
   *   `create`; as the condition
   */
  async put(
    target: RecordTarget,
    input: TrustStoreInput,
    condition: WriteCondition,
  ): Promise<TrustStoreView> {
    await this.#present(target, condition);
    const made = this.#parse(input);
    const { anchors, crls, contentSha256 } = made;
    const { vault } = this.#deps;
    let isThere = await isHeld(vault, trustName(contentSha256), contentSha256);
    return this.#commit(made.content, condition, async (expectedHead) => {
      const before = await this.#present(target, condition);
      const after = { ...before, label: input.label, anchors, crls, contentSha256 };
      if (isThere && saysTheSame(before, after)) return { unchanged: before };
      if (!isThere) await vault.put(trustName(contentSha256), made.contentBytes);
      isThere = true;
      await this.#checkDomains(after);
      return this.#change(target.actor, { id: before.id, before, after, expectedHead });
    });
  }

  /** @throws StateConflict (`in-use`); NotFound; as the condition */
  async delete(target: RecordTarget, condition: WriteCondition): Promise<void> {
    await commitUnder(condition, this.#deps, async (expectedHead) => {
      const before = await this.#present(target, condition);
      return this.#change(target.actor, { id: before.id, before, after: null, expectedHead });
    });
  }

  #parse({ certificatesPem, crlPem }: TrustStoreInput): NewTrustStore {
    return parseTrustStore({ certificatesPem, crlPem }, { nowMs: this.#deps.clock.now() });
  }

  async #checkDomains(changed: TrustStoreRecord): Promise<void> {
    const { store, clock } = this.#deps;
    for (const domain of await store.domainsOfTrustStore(changed.id)) {
      const ids = domain.tls.clientCertificate.trust.trustStoreIds;
      const stores = await Promise.all(
        ids.map(async (id) => (id === changed.id ? changed : store.getTrustStore(id))),
      );
      if (!nothingCanPass(domain, stores, clock.now())) continue;
      const message = `every CA or its CRL has expired, so nothing could pass at ${domain.name}, which requires a client certificate`;
      throw new RuleViolation([{ pointer: "/certificatesPem", code: "nothing-can-pass", message }]);
    }
  }

  async #content({ id, contentSha256 }: TrustStoreRecord): Promise<TrustStoreContent> {
    try {
      return decodeTrustStoreContent(await this.#deps.vault.get(trustName(contentSha256), contentSha256));
    } catch (error) {
      // The record is there: its content missing is our trouble, not an unknown trust store.
      if (error instanceof NotFound) throw new Unreadable(`content of ${id} is missing`, { cause: error });
      throw error;
    }
  }

  #change(actor: Actor, { id, before, after, expectedHead }: TrustStoreChange): Commit {
    const at = timestamp(this.#deps.clock.now());
    const written = after && { ...after, updatedAt: at, updatedBy: actor.name };
    return commitAlone({ kind: "trust-store", id, before, after: written }, { actor, at, expectedHead });
  }

  async #commit(
    content: TrustStoreContent,
    condition: WriteCondition,
    build: (expectedHead: number) => Promise<Commit | Unchanged<TrustStoreRecord>>,
  ): Promise<TrustStoreView> {
    const done = await commitChange(condition, this.#deps, build);
    if ("unchanged" in done) return this.#view(done.unchanged, content);
    const { record } = done;
    if (record.kind !== "trust-store" || record.after === null)
      throw new TypeError("the store logged another write than it was given");
    return this.#view(record.after, content);
  }

  async #view(record: TrustStoreRecord, content: TrustStoreContent): Promise<TrustStoreView> {
    return { ...record, ...content, usedBy: await trustStoreUsedBy(this.#deps.store, record) };
  }

  /** The record as it is, where the request may write it. @throws NotFound; as the condition */
  async #present({ actor, id }: RecordTarget, condition: WriteCondition): Promise<TrustStoreRecord> {
    const record = await this.#own(actor, id);
    checkCondition(condition, record);
    return record;
  }

  async #own(actor: Actor, id: string): Promise<TrustStoreRecord> {
    const record = isTrustStoreId(id) ? await this.#deps.store.getTrustStore(id) : null;
    if (record?.account !== actor.account) throw new NotFound("there is no such trust store");
    return record;
  }
}
