import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Clock } from "../../core/clock.ts";

/** A clock whose time is a service's, once that has answered at all. */
export interface HeardClock extends Clock {
  /** False = `now` is still this machine's own. */
  readonly isHeard: boolean;
}

/** A `Date` header is cut to its second; half of one is what is missing on average. */
const CUT_MS = 500;

/**
 * The service's clock, from the `Date` header of every answer (RFC 9110 section 6.6.1): right to about a
 * second, however wrong this machine's clock is. DynamoDB has no clock that a write could store the time of.
 */
export function serviceClock(client: DynamoDBClient, ownNow: () => number): HeardClock {
  let aheadMs: number | null = null;
  client.middlewareStack.add(
    (next) => async (request) => {
      const result = await next(request);
      const theirs = dateOf(result.response);
      if (!Number.isNaN(theirs)) aheadMs = theirs + CUT_MS - ownNow();
      return result;
    },
    { step: "deserialize", name: "posternServiceClock" },
  );
  return {
    now: () => Math.round(ownNow() + (aheadMs ?? 0)),
    get isHeard() {
      return aheadMs !== null;
    },
  };
}

function dateOf(response: unknown): number {
  const headers = memberOf(response, "headers");
  const date = memberOf(headers, "date");
  return typeof date === "string" ? Date.parse(date) : Number.NaN;
}

const memberOf = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
