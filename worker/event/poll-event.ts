/** What one poll found; "unchanged" too, so that a poller that stands still shows. */
export type PollEvent =
  | { readonly kind: "unchanged"; readonly revision: number }
  | { readonly kind: "applied"; readonly revision: number; readonly from: number; readonly entries: number }
  | {
      readonly kind: "loaded";
      readonly revision: number;
      /**
       * Revision held before; null = none. Higher than `revision` when the store was restored from a backup.
       */
      readonly from: number | null;
      readonly domains: number;
      readonly unreadable: number;
    }
  /** The log does not continue what is held; after `polls` of them in a row everything is loaded. */
  | {
      readonly kind: "gap";
      readonly revision: number;
      readonly head: number;
      readonly polls: number;
      /** What applying the log threw; null = nothing came that continues it. */
      readonly error: unknown;
    }
  /**
   * The store was not read at the start, or has lost its settings; the backup is in force until it has them.
   */
  | {
      readonly kind: "from-backup";
      readonly revision: number;
      readonly ageMs: number;
      readonly domains: number;
      readonly unreadable: number;
      /** Why the store was not read. */
      readonly error: unknown;
    }
  /** What the store said was refused (snapshot-holder.ts); what is held stays. */
  | { readonly kind: "refused"; readonly revision: number; readonly from: number }
  | { readonly kind: "trust-contents"; readonly revision: number }
  | { readonly kind: "failed"; readonly failures: number; readonly error: unknown };
