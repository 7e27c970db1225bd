/** Pure comparison of values as Pulumi's engine hands them over: plain JSON. */

export type Values = Readonly<Record<string, unknown>>;

/** Stands for a value that is not known before the deployment (@pulumi/pulumi/runtime/rpc). */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export const isValues = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether both are the same JSON; a member that is undefined is absent. */
export function isSame(one: unknown, other: unknown): boolean {
  return changedPaths(one, other).length === 0;
}

/** Paths at which two values differ, such as `tls.server.level` and `mxHosts[1]`. */
export function changedPaths(before: unknown, after: unknown, path = ""): readonly string[] {
  if (Object.is(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after))
    return Array.from({ length: Math.max(before.length, after.length) }, (_, index) =>
      changedPaths(before[index], after[index], `${path}[${index}]`),
    ).flat();
  if (isValues(before) && isValues(after))
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
      changedPaths(before[key], after[key], path === "" ? key : `${path}.${key}`),
    );
  return [path];
}

/**
 * Inputs of a program as they would have to be for what is in force now: members that have changed since they
 * were applied take their new value, and all others stay as the program has them.
 */
export function withDrift(input: unknown, applied: unknown, now: unknown): unknown {
  if (isSame(applied, now)) return input;
  if (!isValues(applied) || !isValues(now)) return now;
  const given = isValues(input) ? input : {};
  const keys = new Set([...Object.keys(given), ...Object.keys(now)]);
  return Object.fromEntries(
    [...keys].flatMap((key) => {
      const value = withDrift(given[key], applied[key], now[key]);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

export const pick = (values: Values, keys: readonly string[]): Values =>
  Object.fromEntries(keys.filter((key) => values[key] !== undefined).map((key) => [key, values[key]]));

export const without = (values: Values, keys: readonly string[]): Values =>
  Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)));
