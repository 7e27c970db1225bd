import type { Patch } from "../harness/stack.ts";

/** A mistake that compiles, or nearly, and the check that must see it. */
export interface Fault extends Patch {
  readonly caughtBy: string;
  /** What the stage chose that it is planted in; production's defaults unless given. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** By what the mistake is. */
export type Faults = Readonly<Record<string, Fault>>;
