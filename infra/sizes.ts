/** Sizes of the edges and the functions that an operator may choose. */
export interface Sizes {
  /** vCPU, a size that Fargate supports. */
  readonly edgeCpu: number;
  /** GB. */
  readonly edgeMemory: number;
  /** MB. */
  readonly apiMemory: number;
  /** MB. */
  readonly scheduleMemory: number;
}

interface MemoryRange {
  readonly least: number;
  readonly most: number;
  readonly step: number;
}

/**
 * GB that Fargate supports for Linux, by vCPU, without 0.5 GB: an edge needs more ("Task CPU and memory" in
 * the developer guide of Amazon ECS).
 */
export const FARGATE_MEMORY: ReadonlyMap<number, MemoryRange> = new Map([
  [0.25, { least: 1, most: 2, step: 1 }],
  [0.5, { least: 1, most: 4, step: 1 }],
  [1, { least: 2, most: 8, step: 1 }],
  [2, { least: 4, most: 16, step: 1 }],
  [4, { least: 8, most: 30, step: 1 }],
  [8, { least: 16, most: 60, step: 4 }],
  [16, { least: 32, most: 120, step: 8 }],
]);

/** MB that Lambda supports for a function. */
const LAMBDA_MEMORY = { least: 128, most: 10_240 } as const;

type SizeVariable =
  | "POSTERN_EDGE_CPU"
  | "POSTERN_EDGE_MEMORY"
  | "POSTERN_API_MEMORY"
  | "POSTERN_SCHEDULE_MEMORY";

export interface SizeInput {
  readonly given: (name: SizeVariable) => string | null;
  readonly isProduction: boolean;
  readonly wrong: (name: SizeVariable, reason: string) => Error;
}

/** @throws the error that `wrong` returns, for a size that AWS does not support. */
export function readSizes({ given, isProduction, wrong }: SizeInput): Sizes {
  const edgeCpu = numberOf(given("POSTERN_EDGE_CPU")) ?? (isProduction ? 1 : 0.5);
  const range = FARGATE_MEMORY.get(edgeCpu);
  if (range === undefined) {
    throw wrong("POSTERN_EDGE_CPU", `must be one of ${[...FARGATE_MEMORY.keys()].join(", ")}`);
  }
  const edgeMemory = numberOf(given("POSTERN_EDGE_MEMORY")) ?? Math.max(range.least, isProduction ? 2 : 1);
  if (!isInRange(edgeMemory, range)) {
    const { least, most, step } = range;
    const reason = `with ${edgeCpu} vCPU must be from ${least} to ${most} GB, in steps of ${step}`;
    throw wrong("POSTERN_EDGE_MEMORY", reason);
  }
  const functionMemory = (name: SizeVariable): number => {
    const memory = numberOf(given(name)) ?? 1024;
    if (isInRange(memory, { ...LAMBDA_MEMORY, step: 1 })) return memory;
    throw wrong(name, `must be from ${LAMBDA_MEMORY.least} to ${LAMBDA_MEMORY.most} MB`);
  };
  return {
    edgeCpu,
    edgeMemory,
    apiMemory: functionMemory("POSTERN_API_MEMORY"),
    scheduleMemory: functionMemory("POSTERN_SCHEDULE_MEMORY"),
  };
}

/** null = not set; NaN = not a plain number. */
function numberOf(text: string | null): number | null {
  if (text === null) return null;
  return /^\d{1,5}(?:\.\d{1,2})?$/.test(text) ? Number(text) : Number.NaN;
}

const isInRange = (value: number, { least, most, step }: MemoryRange): boolean =>
  value >= least && value <= most && (value - least) % step === 0;
