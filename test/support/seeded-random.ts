/** A small generator for fuzzers: the same seed gives the same run on every machine (mulberry32). */
export interface SeededRandom {
  readonly seed: number;
  /** In [0, 1). */
  next(): number;
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number;
  bytes(count: number): Buffer;
  pick<T>(values: readonly T[]): T;
}

export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    seed,
    next,
    below,
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => below(256))),
    pick: (values) => {
      const value = values[below(values.length)];
      if (value === undefined) throw new RangeError("nothing to pick from");
      return value;
    },
  };
}

/**
 * Runs a fuzzer with `FUZZ_SEED`, or a seed of the moment, and prints the line that runs a failure again.
 * `FUZZ_ROUNDS` makes it longer.
 */
export async function fuzz(
  name: string,
  rounds: number,
  round: (random: SeededRandom, index: number) => void | Promise<void>,
): Promise<void> {
  const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 4_294_967_296);
  const random = seededRandom(seed);
  const total = Number(process.env["FUZZ_ROUNDS"] ?? rounds);
  for (let index = 0; index < total; index += 1) {
    try {
      await round(random, index);
    } catch (cause) {
      const replay = `FUZZ_SEED=${String(seed)} FUZZ_ROUNDS=${String(index + 1)} npx vitest run ${name}`;
      throw new Error(`round ${String(index)} failed; replay with: ${replay}`, { cause });
    }
  }
}
