import type { Postern } from "../../../sdk/src/index.ts";
import type { InputFailure } from "./input-check.ts";
import type { Values } from "./values.ts";

/** A record as the API answers it. */
export interface Found {
  readonly id: string;
  readonly etag: string;
  readonly record: Values;
}

/** A write under the entity tag of the record that it was made from. */
export interface Write {
  readonly id: string;
  readonly etag: string;
  readonly before: Values;
  readonly after: Values;
}

/** What differs between domains, certificates and trust stores. */
export interface RecordKind {
  /** For messages: `domain`. */
  readonly noun: string;
  /** Members of the record that its owner sets: a change of one by another caller is drift. */
  readonly settings: readonly string[];
  /** Members of the record that a program may use. */
  readonly outputs: readonly string[];
  check(inputs: Values): readonly InputFailure[];
  /** Inputs whose change needs another record. */
  replacedBy(before: Values, after: Values): readonly string[];
  /** Whether a second record of the same name cannot exist beside the first. */
  isSameName(before: Values, after: Values): boolean;
  /** What an existing record is found by, to be adopted. */
  nameOf(inputs: Values): string;
  create(postern: Postern, inputs: Values): Promise<Found>;
  /** @param idOrName the id; of a record that is adopted, its label too. */
  find(postern: Postern, idOrName: string): Promise<Found | null>;
  update(postern: Postern, write: Write): Promise<Found>;
  delete(postern: Postern, id: string, etag: string): Promise<void>;
}

/** More than one record has the label by which one is adopted. */
export class AmbiguousName extends Error {
  override readonly name = "AmbiguousName";
}
