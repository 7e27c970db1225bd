import { InvalidInput, RuleViolation, TooLarge } from "../../core/errors.ts";

/** `error pointer code` of every issue that an input is refused with, or `accepted`. */
export function outcomeOf(parse: () => unknown): "accepted" | readonly string[] {
  try {
    parse();
    return "accepted";
  } catch (error) {
    if (error instanceof InvalidInput || error instanceof RuleViolation || error instanceof TooLarge)
      return error.issues.map(({ pointer, code }) => `${error.name} ${pointer} ${code}`);
    throw error;
  }
}
