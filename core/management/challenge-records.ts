/** Ports of dns-01 (RFC 8555 section 8.4): publishers of challenge records, and lookups of them. */

import { RuleViolation } from "../errors.ts";

/**
 * Publishes challenge records.
 *
 * Every implementation passes test/contract/challenge-records.contract.ts.
 */
export interface ChallengeRecords {
  /**
   * Whether it publishes records for this name, which is without `_acme-challenge.` and `*.`; other records
   * are shown to the operator.
   */
  publishes(name: string): boolean;
  /**
   * The TXT record set `_acme-challenge.<name>` holds these values and no others; an order for a name and its
   * wildcard needs two at once. Resolves when the record is published. May be repeated.
   *
   * @throws Unavailable when the publisher does not answer or fails.
   * @throws RuleViolation (`challenge-refused`) when it refuses the record; the message has its reason.
   */
  put(name: string, values: readonly string[]): Promise<void>;
  /** Removes the record set; an absent one is not an error. @throws Unavailable, RuleViolation */
  delete(name: string): Promise<void>;
}

/** Values of a TXT record as resolvers see it, CNAMEs followed; [] = none. @throws Unavailable */
export type ReadTxt = (name: string) => Promise<readonly string[]>;

/** RFC 8555 section 8.4. */
export const challengeName = (name: string): string => `_acme-challenge.${name}`;

/** @param reason for the operator, as plain text. */
export const challengeRefused = (name: string, reason: string): RuleViolation =>
  new RuleViolation([
    {
      pointer: "",
      code: "challenge-refused",
      message: `the TXT record ${challengeName(name)} was refused: ${reason}`,
    },
  ]);

/** Several publishers as one: the first that publishes a name does it. */
export function firstOf(publishers: readonly ChallengeRecords[]): ChallengeRecords {
  const publisherOf = (name: string): ChallengeRecords | undefined =>
    publishers.find((each) => each.publishes(name));
  return {
    publishes: (name) => publisherOf(name) !== undefined,
    put: async (name, values) => {
      const publisher = publisherOf(name);
      if (publisher === undefined) throw challengeRefused(name, "no publisher is set up for this name");
      await publisher.put(name, values);
    },
    delete: async (name) => publisherOf(name)?.delete(name),
  };
}
