/** Account of the operator, who owns the names on the default certificate. */
export const OPERATOR_ACCOUNT = "default";

/** Who makes a request: the account whose records it sees, and the name that the change log keeps. */
export interface Actor {
  readonly account: string;
  readonly name: string;
  /** Has the scope `operator`, in whatever account it acts. Absent = it has not. */
  readonly isOperator?: boolean;
}

/** Names that these callers add are taken as the account's own, without proof. */
export const addsOwnNames = ({ account, isOperator }: Actor): boolean =>
  account === OPERATOR_ACCOUNT || isOperator === true;
