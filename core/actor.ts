/** Account of the operator, who owns the names on the default certificate. */
export const OPERATOR_ACCOUNT = "default";

/** Who makes a request: the account whose records it sees, and the name that the change log keeps. */
export interface Actor {
  readonly account: string;
  readonly name: string;
}
