/** Pointers of issues, moved into the part of the document that a request wrote. */

import { InvalidInput, type Issue, RuleViolation, StateConflict, TooLarge } from "../errors.ts";

/**
 * Runs a write of one part of a record. Rules speak of the whole record; their pointers are shortened to the
 * part, which is all that the request's body holds. What lies outside keeps its pointer.
 */
export async function pointingInto<T>(part: string, write: () => Promise<T>): Promise<T> {
  const shortened = (issues: readonly Issue[]): Issue[] =>
    issues.map((issue) =>
      issue.pointer === part || issue.pointer.startsWith(`${part}/`)
        ? { ...issue, pointer: issue.pointer.slice(part.length) }
        : issue,
    );
  // Those of the body's own form point into the body already.
  return withIssues(write, { ofRules: shortened, ofForm: (issues) => issues });
}

/**
 * Runs a write whose content is not in the request's body but named at `pointer`: every issue points there.
 */
export const pointingAt = <T>(pointer: string, write: () => Promise<T>): Promise<T> =>
  withIssues(write, { ofRules: allAt(pointer), ofForm: allAt(pointer) });

type ChangeIssues = (issues: readonly Issue[]) => readonly Issue[];

const allAt =
  (pointer: string): ChangeIssues =>
  (issues) =>
    issues.map((issue) => ({ ...issue, pointer }));

async function withIssues<T>(
  write: () => Promise<T>,
  { ofRules, ofForm }: { readonly ofRules: ChangeIssues; readonly ofForm: ChangeIssues },
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof RuleViolation) throw new RuleViolation(ofRules(error.issues));
    if (error instanceof StateConflict)
      throw new StateConflict(error.code, error.message, ofRules(error.issues));
    if (error instanceof TooLarge) throw new TooLarge(error.message, ofRules(error.issues));
    if (error instanceof InvalidInput) throw new InvalidInput(error.message, ofForm(error.issues));
    throw error;
  }
}
