import * as fc from "fast-check";

/**
 * Asserts a property. A failure ends with the seed and the path that repeat it: of a long message, logs of CI
 * show the end alone.
 */
export async function holds<Ts extends [unknown, ...unknown[]]>(
  property: fc.IAsyncProperty<Ts>,
  parameters: fc.Parameters<Ts> = {},
): Promise<void> {
  const result = await fc.check(property, parameters);
  if (!result.failed) return;
  const { seed, counterexamplePath: path, counterexample, errorInstance, numRuns } = result;
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  throw new Error(
    `${why}\n\nfailed after ${numRuns} runs for ${fc.stringify(counterexample)}\nrepeat it with ${JSON.stringify({ seed, path })}`,
  );
}
