/** Drafts of settings, laid over a snapshot as their write would leave it. */

import type { Actor } from "../actor.ts";
import {
  ConditionMissing,
  InvalidInput,
  type Issue,
  RuleViolation,
  StaleRevision,
  StateConflict,
  TooLarge,
  Unavailable,
} from "../errors.ts";
import {
  absentDomain,
  buildDomainWrite,
  type DomainChange,
  storedDomain,
} from "../management/domain-build.ts";
import { type DomainInput, domainSettings } from "../management/domain-schema.ts";
import type { DomainWriteDependencies } from "../management/domain-write.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { TlsException } from "../record/domain.ts";
import { applyEntries } from "../snapshot/snapshot.ts";
import type { Snapshot } from "../snapshot/snapshot-view.ts";
import { logEntryOf } from "../store/log-entry.ts";

export type SettingsDraft =
  /** In place of all settings of the domain; an absent domain is created. */
  | { readonly kind: "settings"; readonly settings: DomainInput; readonly moveSharedHosts: boolean }
  /** In place of its exceptions. */
  | { readonly kind: "exceptions"; readonly exceptions: readonly TlsException[] };

interface DraftOf {
  readonly actor: Actor;
  readonly name: DomainName;
  readonly draft: SettingsDraft;
}

/** A write between the reads of a draft is rare; after as many the settings change too fast. */
const TRIES = 3;

/**
 * The snapshot as edges would have it after a write of the draft; nothing is stored.
 *
 * @throws as a PUT of the domain throws, with pointers into the draft; NotFound for exceptions of an absent
 *   domain.
 */
export async function withDraft(
  deps: DomainWriteDependencies,
  snapshot: Snapshot,
  of: DraftOf,
): Promise<Snapshot> {
  const { actor, name, draft } = of;
  for (let tried = 0; tried < TRIES; tried += 1) {
    try {
      const stored = await storedDomain(deps.store, actor, name);
      const change = changeOf(name, draft, stored === null || stored === "foreign");
      const built = await buildDomainWrite(deps, { actor, name }, change)(snapshot.revision);
      if ("unchanged" in built) return snapshot;
      return applyEntries(snapshot, [{ kind: "entry", entry: logEntryOf(built.commit) }], new Map());
    } catch (error) {
      // Created, changed or deleted between the two reads.
      if (!(error instanceof StaleRevision || error instanceof ConditionMissing))
        throw pointing(error, draft);
    }
  }
  throw new Unavailable("the settings of the domain change too fast to evaluate a draft of them");
}

function changeOf(name: DomainName, draft: SettingsDraft, creates: boolean): DomainChange {
  const condition = { matches: creates ? null : ("any" as const), matchesNot: null };
  if (draft.kind === "settings") {
    const settings = settingsOf(name, draft.settings);
    return { condition, moveSharedHosts: draft.moveSharedHosts, creates: true, produce: () => settings };
  }
  return {
    condition,
    moveSharedHosts: false,
    creates: false,
    produce: (current) => {
      if (current === null) throw absentDomain(name);
      return { ...current, tls: { ...current.tls, exceptions: draft.exceptions } };
    },
  };
}

function settingsOf(name: DomainName, input: DomainInput): ReturnType<typeof domainSettings> {
  if (input.name === undefined || input.name === name) return domainSettings(name, input);
  const message = `must be the domain of rcptTo, ${JSON.stringify(name)}, or be left out`;
  throw new InvalidInput(`name ${message}`, [{ pointer: "/name", code: "name-differs", message }]);
}

/** The same error with pointers into the request. */
function pointing(error: unknown, draft: SettingsDraft): unknown {
  const moved = (issues: readonly Issue[]): Issue[] =>
    issues.map((issue) => ({ ...issue, pointer: pointerIn(draft, issue.pointer) }));
  if (error instanceof RuleViolation) return new RuleViolation(moved(error.issues));
  if (error instanceof StateConflict)
    return new StateConflict(error.code, error.message, moved(error.issues));
  if (error instanceof TooLarge) return new TooLarge(error.message, moved(error.issues));
  if (error instanceof InvalidInput) return new InvalidInput(error.message, moved(error.issues));
  return error;
}

const EXCEPTIONS = "/tls/exceptions";

function pointerIn(draft: SettingsDraft, pointer: string): string {
  if (draft.kind === "settings") return `/settings${pointer}`;
  // What the stored settings break by themselves is not in the request.
  return pointer.startsWith(EXCEPTIONS) ? pointer.slice("/tls".length) : "/exceptions";
}
