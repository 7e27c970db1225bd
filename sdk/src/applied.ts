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
    const behind = status?.edges.live.filter((edge) => !enforces(edge, revision)).map(({ id }) => id) ?? [];
    const where = behind.length === 0 ? "any edge" : behind.join(", ");
    super(`${name} at revision ${revision} is not in force at ${where} yet`);
    this.status = status;
  }
}

type LiveEdge = DomainStatus["edges"]["live"][number];

const enforces = (edge: LiveEdge, revision: number): boolean => (edge.revision ?? 0) >= revision;

const isApplied = ({ edges: { live } }: DomainStatus, revision: number): boolean =>
  live.length > 0 && live.every((edge) => enforces(edge, revision));

interface Waiting {
  readonly name: string;
  readonly revision: number;
  readonly options: WaitOptions;
  readonly effects: Effects;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const POLL_MS = 500;

/** @param read reads the status until its signal is aborted. */
export async function waitUntilApplied(
  read: (signal: AbortSignal) => Promise<DomainStatus>,
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
        if (isApplied(last, revision)) return last;
        await effects.sleep(POLL_MS, ending);
      }
    } finally {
      isOver.abort();
    }
  });
}
