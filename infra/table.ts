import type { TABLE_DEFINITION } from "../adapters/aws/table-definition.ts";
import type { Copies } from "./copied-names.ts";
import type { GateSettings } from "./gate-settings.ts";

/** The table as adapters/aws reads and writes it; the compiler checks that both agree. */
export const KEYS: typeof TABLE_DEFINITION = {
  partitionKey: "pk",
  sortKey: "sk",
  index: { name: "by-name", partitionKey: "list", sortKey: "listKey" },
  timeToLive: "expiresAt",
};

/**
 * The settings of all domains, their log and the reports of the edges. Holds no key and no PEM. DynamoDB
 * restores into a new table: a stage may use that one, while its own stays unchanged.
 */
export function createTable(settings: GateSettings, copies: Copies | null) {
  if (copies !== null)
    return sst.aws.Dynamo.get(settings.names.of("CopiedSettings"), settings.table ?? copies.table);
  const own = createOwnTable(settings);
  return settings.table === null
    ? own
    : sst.aws.Dynamo.get(settings.names.of("RestoredSettings"), settings.table);
}

function createOwnTable({ names, isProduction, standbyRegion }: GateSettings) {
  const { partitionKey, sortKey, index } = KEYS;
  return new sst.aws.Dynamo(names.of("Settings"), {
    fields: {
      [partitionKey]: "string",
      [sortKey]: "string",
      [index.partitionKey]: "string",
      [index.sortKey]: "string",
    },
    primaryIndex: { hashKey: partitionKey, rangeKey: sortKey },
    // Lists read the records themselves from the table.
    globalIndexes: {
      [index.name]: { hashKey: index.partitionKey, rangeKey: index.sortKey, projection: "keys-only" },
    },
    ttl: KEYS.timeToLive,
    // A replica is fed by the stream.
    ...(standbyRegion === null ? {} : { stream: "new-and-old-images" as const }),
    deletionProtection: isProduction,
    transform: {
      table: (args, options) => {
        // All three are set although two of them are defaults: a changed default must not take effect
        // unnoticed.
        args.billingMode = "PAY_PER_REQUEST";
        args.pointInTimeRecovery = { enabled: true, recoveryPeriodInDays: 35 };
        args.serverSideEncryption = { enabled: true };
        options.protect = isProduction;
        // Replicas are separate resources (copies.ts).
        if (standbyRegion !== null) options.ignoreChanges = ["replicas"];
      },
    },
  });
}

export type Table = ReturnType<typeof createTable>;
