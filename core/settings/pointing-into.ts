import { InvalidInput, type Issue, RuleViolation, StateConflict, TooLarge } from "../errors.ts";

/**
 * Runs a write of one part of a record. Rules speak of the whole record; their pointers are shortened to the part, which
 * is all that the request's body holds. What lies outside keeps its pointer.
 */
export async function pointingInto<T>(part: string, write: () => Promise<T>): Promise<T> {
  const shortened = (issues: readonly Issue[]): Issue[] =>
    issues.map((issue) =>
      issue.pointer === part || issue.pointer.startsWith(`${part}/`)
        ? { ...issue, pointer: issue.pointer.slice(part.length) }
        : issue,
    );
  try {
    return await write();
  } catch (error) {
    if (error instanceof RuleViolation) throw new RuleViolation(shortened(error.issues));
    if (error instanceof StateConflict)
      throw new StateConflict(error.code, error.message, shortened(error.issues));
    if (error instanceof TooLarge) throw new TooLarge(error.message, shortened(error.issues));
    if (error instanceof InvalidInput) throw new InvalidInput(error.message, error.issues);
    throw error;
  }
}
