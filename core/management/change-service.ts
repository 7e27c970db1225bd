/** The change log for one caller at a time. */

import { type Actor, OPERATOR_ACCOUNT } from "../actor.ts";
import { Unreadable } from "../errors.ts";
import { toDomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { type ChangeListing, type ChangePage, isAbout, isOfTime, readChanges } from "./change-log.ts";
import type { WaitingDependencies } from "./service-dependencies.ts";
import type { Waiter } from "./waiting-room.ts";

/** A wait for the next entry. */
export interface ChangeWait extends Waiter {
  readonly timeoutMs: number;
}

const LOOK_EVERY_MS = 500;

export class ChangeService {
  readonly #deps: WaitingDependencies;

  constructor(deps: WaitingDependencies) {
    this.#deps = deps;
  }

  /**
   * The account's entries of the log. An entry that cannot be read is shown as such, unless it is another
   * account's.
   * @throws Gone as `readChanges`
   */
  async list(actor: Actor, listing: ChangeListing): Promise<ChangePage> {
    const { seen: _seen, ...page } = await this.#page(actor, listing);
    return page;
  }

  /**
   * As `list`, in the order asc: as soon as there is an entry, or empty when the time is up. `next` is always
   * set, so that a reader of few entries does not fall behind the log's retention.
   * @throws Gone as `readChanges`; as `WaitingRoom.until`
   */
  async follow(actor: Actor, listing: ChangeListing, wait: ChangeWait): Promise<ChangePage> {
    let { after = 0 } = listing;
    let isFirst = true;
    const { store, waitingRoom } = this.#deps;
    return waitingRoom.until(
      async () => {
        // One read where there is no news; the first look also finds out whether entries are still kept.
        const isNews = isFirst || (await store.head()) > after;
        isFirst = false;
        const page = isNews ? await this.#page(actor, { ...listing, after }) : null;
        after = page?.seen ?? after;
        const { items = [], unreadable = [], next = null } = page ?? {};
        const isOver = next !== null || items.length > 0 || unreadable.length > 0;
        return { isOver, value: { items, unreadable, next: next ?? String(after) } };
      },
      { ...wait, everyMs: LOOK_EVERY_MS },
    );
  }

  async #page(actor: Actor, listing: ChangeListing): Promise<ChangePage & { readonly seen: number }> {
    const { entries, next, seen } = await readChanges(this.#deps.store, listing);
    const { resource } = listing;
    const present = resource?.kind === "domain" ? await this.#presentDomain(resource.id) : null;
    return {
      next,
      seen,
      items: entries.flatMap((each) => {
        if (each.kind === "unreadable" || each.entry.account !== actor.account) return [];
        if (!isOfTime(each.entry, listing)) return [];
        return resource === undefined || isAbout(each.entry, resource, present) ? each.entry : [];
      }),
      unreadable: entries.flatMap((each) => {
        // One whose account cannot be read may be any account's: the operator sees it alone.
        if (each.kind === "entry" || (each.account ?? OPERATOR_ACCOUNT) !== actor.account) return [];
        const { item } = each;
        const isOther =
          item.kind !== "log-entry" && (item.kind !== resource?.kind || item.id !== resource.id);
        return resource !== undefined && isOther ? [] : { revision: each.revision, ...item };
      }),
    };
  }

  async #presentDomain(id: string): Promise<DomainRecord | null> {
    const name = toDomainName(id);
    try {
      return name === null ? null : await this.#deps.store.getDomain(name);
    } catch (error) {
      if (error instanceof Unreadable) return null;
      throw error;
    }
  }
}
