import type { Actor } from "../../core/actor.ts";

/** What the API's middleware leaves for those after it. */
export interface ApiEnv {
  Variables: {
    /** Ours, never the client's. */
    requestId: string;
    /** Set on every path below /v1. */
    actor: Actor;
  };
}
