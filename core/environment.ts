import type * as z from "zod";

/** `EX_CONFIG` of sysexits(3): what a start with a wrong environment exits with. */
export const EXIT_WRONG_ENVIRONMENT = 78;

/** One or more variables are wrong or missing. The message has a line for each: its name and the reason, never a value. */
export class WrongEnvironment extends Error {
  override readonly name = "WrongEnvironment";
}

type Environment = Readonly<Record<string, string | undefined>>;

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
  const lines = parsed.error.issues.map(({ path: [name], message }) => {
    const reason = given[String(name)] === undefined ? "is not set" : message;
    return `${String(name)}: ${reason}`;
  });
  throw new WrongEnvironment(lines.join("\n"));
}
