import type { Log } from "./log.ts";
import type { EdgeEvent } from "./session/events.ts";

/** Logs what a person may look for later: one line a session, and what no session shows. Everything else is counted only. */
export function logEdgeEvent(log: Log, event: EdgeEvent): void {
  const { kind: _kind, ...fields } = event;
  switch (event.kind) {
    case "session-ended":
      return log("session", { ...event.record });
    case "connection-refused":
    case "limit-hit":
    case "handshake-failed":
    case "delivery-failed":
    case "message-aborted":
    case "certificate-problem":
    case "certificate-recovered":
    case "internal-error":
      return log(event.kind, fields);
    case "connection-accepted":
    case "health-check":
    case "handshake":
    case "verdict":
    case "message-accepted":
    case "message-refused":
    case "context":
      return;
    default:
      return event satisfies never;
  }
}
