import { createPostern, type Postern } from "../../../sdk/src/index.ts";
import { isValues } from "./values.ts";

/** Gate in which records are, and who asks. */
export interface Connection {
  /** Of the API; `POSTERN_URL` if left out. */
  readonly url?: string;
  /** `POSTERN_TOKEN` if left out, which then is in no state. */
  readonly token?: string;
  /** Account to act in, in place of the caller's own: for operators. */
  readonly account?: string;
}

/** What the gate's environment is to a program that is not told the gate by its arguments. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** No URL or token. */
class NotConnected extends Error {
  override readonly name = "NotConnected";
}

export const connectionOf = (value: unknown): Connection => (isValues(value) ? value : {});

/** @throws NotConnected */
export function connect(connection: Connection, environment: Environment): Postern {
  const { url = environment["POSTERN_URL"] ?? "", token = environment["POSTERN_TOKEN"] ?? "" } = connection;
  if (url === "") throw new NotConnected("no gate: set connection.url or the variable POSTERN_URL");
  if (token === "") throw new NotConnected("no token: set connection.token or the variable POSTERN_TOKEN");
  const { account } = connection;
  return createPostern({ url, auth: { token }, ...(account === undefined ? {} : { account }) });
}

/** Another gate or account has other records; another token is the same gate's. */
export const isSamePlace = (one: Connection, other: Connection): boolean =>
  one.url === other.url && one.account === other.account;
