import type { Socket } from "node:net";
import type { AcceptedConnection } from "./session-context.ts";

/** One running session, as the edge sees it. */
export interface RunningSession {
  /** Ends with `421 4.3.2` as soon as no transaction is open. */
  drain(): void;
  /** Ends now. */
  cut(): void;
}

export interface SmtpProtocol {
  /**
   * Speaks SMTP on an accepted socket.
   *
   * @param onEnd called once, when the socket is closed and no message of it is on its way any more.
   */
  open(socket: Socket, connection: AcceptedConnection, onEnd: () => void): RunningSession;
}
