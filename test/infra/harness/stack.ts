/**
 * A resource as the program registered it with Pulumi: its inputs after all outputs were known, secrets
 * unwrapped.
 */
export interface Resource {
  /** Pulumi's type, such as `aws:s3/bucket:Bucket`. */
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Pulumi's name for it; empty for one that is only read. */
  readonly urn: string;
  /** URNs that Pulumi waits for before it makes this one. Of a component: its parts too. */
  readonly dependencies: readonly string[];
  /** Pulumi refuses to delete or replace it. */
  readonly isProtected: boolean;
  /** Goes on living in AWS when it leaves the program. */
  readonly isRetained: boolean;
}

/** What `sst deploy` would have asked AWS for. Nothing was deployed, and IAM judged nothing. */
export interface Stack {
  readonly app: {
    readonly name: string;
    readonly stage: string;
    readonly removal: string;
    readonly protect: boolean;
  };
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly resources: readonly Resource[];
  /** Handlers that were bundled, as `path.export`. */
  readonly handlers: readonly string[];
}

/** A change of a source file for one synthesis; the file itself is left alone. */
export interface Patch {
  /** Relative to the checkout. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface SynthesisOptions {
  /** Folder of another sst.config.ts than that of the checkout. */
  readonly application?: string;
  readonly stage: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly patches?: readonly Patch[];
  /** What the parameter store holds before, by name. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** A zone that AWS has an incident in. */
  readonly impairedZone?: string;
  /** ECS finds the new edges unhealthy, and goes back to those of before. */
  readonly rollsBack?: boolean;
  /** Handlers are bundled for real, so that a missing file or export fails. */
  readonly bundleHandlers?: boolean;
}
