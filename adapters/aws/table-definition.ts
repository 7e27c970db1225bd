/**
 * The one table of a deployment, as data: tests create it from here, and infra/ declares the same. Capacity,
 * recovery, deletion protection and encryption are the deployment's.
 */
export const TABLE_DEFINITION = {
  partitionKey: "pk",
  sortKey: "sk",
  /** Records by account and name, for lists alone: eventually consistent, and nothing is decided by it. */
  index: { name: "by-name", partitionKey: "list", sortKey: "listKey" },
  /** Seconds since the epoch, on log entries, edge reports, issuance state and kept answers. */
  timeToLive: "expiresAt",
} as const;
