import { type SessionLogging } from "../config/config.ts";
import type { Log } from "../../core/log-event.ts";
import type { EdgeEvent, EdgeEventSink } from "../event/edge-event.ts";
import { createSessionSampling } from "./session-sampling.ts";

/**
 * Logs what a person may look for later: one line a session, as far as `sessions` goes, and what no session
 * shows. Everything else is counted only.
 */
export function createEdgeLog(log: Log, sessions: SessionLogging): EdgeEventSink {
  const weightOf = createSessionSampling(sessions);
  return (event) => {
    if (event.kind !== "session-ended") return logOther(log, event);
    // A balancer that only connects, and sends no PROXY header, would write a line every few seconds. It is
    // counted.
    if (event.silent) return;
    const weight = weightOf(event.record);
    if (weight !== null) log("session", { ...event.record, ...(weight === 1 ? {} : { standsFor: weight }) });
  };
}

function logOther(log: Log, event: Exclude<EdgeEvent, { kind: "session-ended" }>): void {
  const { kind: _kind, ...fields } = event;
  switch (event.kind) {
    case "connection-refused":
    case "limit-hit":
    case "handshake-failed":
    case "delivery-failed":
    case "message-aborted":
    case "certificate-recovered":
    case "internal-error":
      return log(event.kind, fields);
    case "certificate-problem": {
      const { kind: _, isRepeated, ...problem } = event;
      return isRepeated === true ? undefined : log(event.kind, problem);
    }
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
