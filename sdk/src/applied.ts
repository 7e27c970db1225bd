import type { Effects } from "./effects.ts";
import { withEnd } from "./ending.ts";
import type { DomainStatus } from "./schemas.ts";

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** For the whole wait; 60 s if left out. */
  readonly timeoutMs?: number | undefined;
}

/** The time is over, and not every live edge enforces the revision. `status` is what was read last. */
export class PosternNotAppliedError extends Error {
  override readonly name = "PosternNotAppliedError";
  readonly status: DomainStatus | null;

  constructor(name: string, revision: number, status: DomainStatus | null) {
    const behind =
      status?.lagging ??
      status?.edges.live.filter((edge) => !hasReached(edge, revision)).map(({ id }) => id) ??
      [];
    const where = behind.length === 0 ? "any edge" : behind.join(", ");
    super(`${name} at revision ${revision} is not in force at ${where} yet`);
    this.status = status;
  }
}

type LiveEdge = DomainStatus["edges"]["live"][number];

const hasReached = (edge: LiveEdge, revision: number): boolean => (edge.revision ?? 0) >= revision;

/** Whether it is worth to have the API judge: an edge at the revision may be unable to read the domain. */
const mayBeApplied = ({ edges: { live } }: DomainStatus, revision: number): boolean =>
  live.length > 0 && live.every((edge) => hasReached(edge, revision));

interface Waiting {
  readonly name: string;
  readonly revision: number;
  readonly options: WaitOptions;
  readonly effects: Effects;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const POLL_MS = 500;

/** Reads the status; with `waitFor` it has the API's judgement, which takes at most `timeout` seconds. */
export type ReadStatus = (
  signal: AbortSignal,
  query?: { readonly waitFor: number; readonly timeout: number },
) => Promise<DomainStatus>;

export async function waitUntilApplied(
  read: ReadStatus,
  { name, revision, options, effects }: Waiting,
): Promise<DomainStatus> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const isOver = new AbortController();
  let last: DomainStatus | null = null;
  return withEnd(signal === undefined ? [] : [signal], async (ending, end) => {
    const late = (): void => end(new PosternNotAppliedError(name, revision, last));
    void effects.sleep(timeoutMs, isOver.signal).then(late, () => undefined);
    try {
      for (;;) {
        last = await read(ending);
        // Not from the start: a process of the API has 64 places for requests that wait.
        if (mayBeApplied(last, revision)) last = await read(ending, { waitFor: revision, timeout: 1 });
        if (last.applied === true) return last;
        await effects.sleep(POLL_MS, ending);
      }
    } finally {
      isOver.abort();
    }
  });
}
