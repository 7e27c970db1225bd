import { setTimeout as sleep } from "node:timers/promises";
import {
  type Change,
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  ListResourceRecordSetsCommand,
  type ResourceRecordSet,
  Route53Client,
} from "@aws-sdk/client-route-53";
import { Unavailable } from "../../core/errors.ts";
import {
  challengeName,
  challengeRefused,
  type ChallengeRecords,
} from "../../core/management/challenge-records.ts";
import { type Route53Zone, zoneOf } from "../../core/management/challenge-variables.ts";
import { toPlainText } from "../../core/plain-text.ts";
import type { RetryEffects } from "../../core/retry.ts";
import { CLIENT_OPTIONS } from "./aws-clients.ts";
import { type ServiceCalls, TryAgain } from "./service-calls.ts";

export const createRoute53Client = (): Route53Client => new Route53Client(CLIENT_OPTIONS);

const TTL_SECONDS = 60;
/** AWS: "Changes generally propagate to all Route 53 name servers within 60 seconds." */
const IN_SYNC_WITHIN_MS = 120_000;
const ASKED_EVERY_MS = 2_000;
/** Attempts of a delete: it must name the record set as it is, and another process may change that. */
const DELETE_TRIES = 3;
const ZONE_BUSY = "PriorRequestNotComplete";
const MAX_REASON_CHARACTERS = 500;

export interface Route53RecordsOptions {
  readonly client: Route53Client;
  readonly calls: ServiceCalls;
  readonly zones: readonly Route53Zone[];
  readonly effects?: Pick<RetryEffects, "now" | "sleep">;
  readonly inSyncWithinMs?: number;
}

const EFFECTS = {
  now: () => performance.now(),
  sleep: async (ms: number): Promise<void> => {
    await sleep(ms);
  },
};

/** Publishes challenge records in hosted zones of Route 53. */
export class Route53Records implements ChallengeRecords {
  readonly #options: Route53RecordsOptions;

  constructor(options: Route53RecordsOptions) {
    this.#options = options;
  }

  publishes(name: string): boolean {
    return zoneOf(this.#options.zones, name) !== null;
  }

  async put(name: string, values: readonly string[]): Promise<void> {
    const zone = this.#zoneOf(name);
    const recordSet: ResourceRecordSet = {
      Name: challengeName(name),
      Type: "TXT",
      TTL: TTL_SECONDS,
      ResourceRecords: values.map((value) => ({ Value: quoted(value) })),
    };
    try {
      await this.#waitForSync(await this.#change(zone, { Action: "UPSERT", ResourceRecordSet: recordSet }));
    } catch (error) {
      // A CNAME has the name, say.
      if (error instanceof RefusedChange) throw challengeRefused(name, `Route 53: ${error.message}`);
      throw error;
    }
  }

  async delete(name: string): Promise<void> {
    const zone = this.#zoneOf(name);
    for (let tries = 1; ; tries += 1) {
      const present = await this.#recordSet(zone, challengeName(name));
      if (present === undefined) return;
      try {
        await this.#change(zone, { Action: "DELETE", ResourceRecordSet: present });
        return;
      } catch (error) {
        if (!(error instanceof RefusedChange)) throw error;
        // It was changed or deleted since it was read.
        if (tries === DELETE_TRIES)
          throw new Unavailable(`the TXT record ${challengeName(name)} keeps changing`, { cause: error });
      }
    }
  }

  #zoneOf(name: string): Route53Zone {
    const zone = zoneOf(this.#options.zones, name);
    if (zone === null) throw challengeRefused(name, "no zone of ROUTE53_ZONES holds this name");
    return zone;
  }

  /** @returns the id of the change. */
  async #change(zone: Route53Zone, change: Change): Promise<string> {
    const { client, calls } = this.#options;
    const command = { HostedZoneId: zone.id, ChangeBatch: { Changes: [change] } };
    const { ChangeInfo: info } = await calls.call(async (abortSignal) => {
      try {
        return await client.send(new ChangeResourceRecordSetsCommand(command), { abortSignal });
      } catch (error) {
        if (error instanceof Error && error.name === ZONE_BUSY)
          throw new TryAgain("another change of the zone is running", { cause: error });
        throw refusedChange(error) ?? error;
      }
    });
    return info?.Id ?? "";
  }

  async #waitForSync(id: string): Promise<void> {
    const { client, calls, effects = EFFECTS, inSyncWithinMs = IN_SYNC_WITHIN_MS } = this.#options;
    const deadline = effects.now() + inSyncWithinMs;
    for (;;) {
      const { ChangeInfo: info } = await calls.call((abortSignal) =>
        client.send(new GetChangeCommand({ Id: id }), { abortSignal }),
      );
      if (info?.Status === "INSYNC") return;
      if (effects.now() + ASKED_EVERY_MS >= deadline)
        throw new Unavailable("Route 53 has not published the TXT record in time");
      await effects.sleep(ASKED_EVERY_MS);
    }
  }

  /** The TXT record set of exactly this name. */
  async #recordSet(zone: Route53Zone, name: string): Promise<ResourceRecordSet | undefined> {
    const { client, calls } = this.#options;
    const command = {
      HostedZoneId: zone.id,
      StartRecordName: name,
      StartRecordType: "TXT",
      MaxItems: 1,
    } as const;
    const { ResourceRecordSets: found = [] } = await calls.call((abortSignal) =>
      client.send(new ListResourceRecordSetsCommand(command), { abortSignal }),
    );
    return found.find((each) => each.Type === "TXT" && each.Name === `${name}.`);
  }
}

/** A string of a TXT record as Route 53 takes it ("TXT record type"). */
const quoted = (value: string): string => `"${value.replaceAll(/["\\]/g, "\\$&")}"`;

/** Route 53 does not make the change, however often it is asked for. */
class RefusedChange extends Error {
  override readonly name = "RefusedChange";
}

/**
 * `InvalidChangeBatch` comes as any other error, or with this name as the document's root, which the SDK
 * calls unknown (both measured with client-route-53 3.1169).
 */
function refusedChange(error: unknown): RefusedChange | null {
  if (!(error instanceof Error)) return null;
  const root: unknown = "Messages" in error ? error.Messages : undefined;
  if (error.name !== "InvalidChangeBatch" && root === undefined) return null;
  const listed: unknown =
    typeof root === "object" && root !== null ? Reflect.get(root, "Message") : undefined;
  const messages = [listed].flat().filter((each) => typeof each === "string");
  const text = messages.length > 0 ? messages.join("; ") : error.message;
  return new RefusedChange(toPlainText(text, MAX_REASON_CHARACTERS), { cause: error });
}
