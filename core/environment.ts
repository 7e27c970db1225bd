/** Reading a program's environment: the one reader, and the one error for a wrong variable. */

import type * as z from "zod";

/** `EX_CONFIG` of sysexits(3): exit code of a start with a wrong environment. */
export const EXIT_WRONG_ENVIRONMENT = 78;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface VariableProblem {
  readonly variable: string;
  /** Never a value. */
  readonly reason: string;
}

/**
 * One or more variables are wrong or missing. The message has a line for each: its name and the reason, never
 * a value.
 */
export class WrongEnvironment extends Error {
  override readonly name = "WrongEnvironment";
  readonly problems: readonly VariableProblem[];
  constructor(problems: readonly VariableProblem[]) {
    super(problems.map(({ variable, reason }) => `${variable}: ${reason}`).join("\n"));
    this.problems = problems;
  }
}

/**
 * Reads the variables that a schema names. An empty one counts as not set.
 *
 * @throws WrongEnvironment that names every wrong variable.
 */
export function readEnvironment<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  environment: Environment,
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(
    Object.keys(schema.shape).map((name) => [name, environment[name] || undefined]),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new WrongEnvironment(
    parsed.error.issues.map(({ path: [name], message }) => {
      const variable = String(name);
      if (given[variable] === undefined) return { variable, reason: "is not set" };
      // The parser of a JSON value names the variable itself where it can stand in a longer text.
      const prefix = `${variable}: `;
      return { variable, reason: message.startsWith(prefix) ? message.slice(prefix.length) : message };
    }),
  );
}

/**
 * Makes two reads of one environment, so that the problems of both are known at once.
 *
 * @throws WrongEnvironment with those of the first before those of the second.
 */
export function readBoth<First, Second>(
  readFirst: () => First,
  readSecond: () => Second,
): readonly [First, Second] {
  const problems: VariableProblem[] = [];
  const attempt = <Value>(read: () => Value): { readonly value: Value } | null => {
    try {
      return { value: read() };
    } catch (error) {
      if (!(error instanceof WrongEnvironment)) throw error;
      problems.push(...error.problems);
      return null;
    }
  };
  const first = attempt(readFirst);
  const second = attempt(readSecond);
  if (first === null || second === null) throw new WrongEnvironment(problems);
  return [first.value, second.value];
}
