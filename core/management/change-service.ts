/** The change log for one caller at a time. */

import type { Actor } from "../actor.ts";
import { Unreadable } from "../errors.ts";
import { toDomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { type ChangeListing, type ChangePage, isAbout, readChanges } from "./change-log.ts";
import type { WaitingDependencies } from "./service-dependencies.ts";

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
    const { entries, next } = await readChanges(this.#deps.store, listing);
    const { resource } = listing;
    const present = resource?.kind === "domain" ? await this.#presentDomain(resource.id) : null;
    return {
      next,
      items: entries.flatMap((each) => {
        if (each.kind === "unreadable" || each.entry.account !== actor.account) return [];
        return resource === undefined || isAbout(each.entry, resource, present) ? each.entry : [];
      }),
      unreadable: entries.flatMap((each) => {
        if (each.kind === "entry" || (each.account ?? actor.account) !== actor.account) return [];
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
