/** What a command reports to the shell. */
export const EXIT = {
  success: 0,
  /** A mistake of the user, a problem that the API answers, or a step of a check that failed. */
  failure: 1,
  /** Of a command that compares: it found differences. */
  differences: 2,
  /** A record is not in the state that the command was made for (409, 412). */
  conflict: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
