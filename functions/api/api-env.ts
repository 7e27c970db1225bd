import type { Caller } from "../../core/access/scope.ts";
import type { Waiter } from "../../core/management/waiting-room.ts";

/** What the API's middleware leaves for those after it. */
export interface ApiEnv {
  Bindings: {
    /** Aborted when the client has closed its side of the connection; absent where that is not known. */
    clientClosed?: AbortSignal;
  };
  Variables: {
    /** Ours, never the client's. */
    requestId: string;
    /** Set on every path below /v1. Its account is the one that it acts in. */
    actor: Caller;
    /** Account of the credentials. */
    homeAccount: string;
    /** The caller, where its request waits. Set on every route below /v1. */
    waiter: Waiter;
  };
}
