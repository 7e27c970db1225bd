import { afterEach, beforeEach, describe } from "vitest";
import { commitCases } from "./store-commit.cases.ts";
import { concurrencyCases } from "./store-concurrency.cases.ts";
import { damagedHostCases } from "./store-damaged-hosts.cases.ts";
import { forgottenCases, reopenCases, unreadableCases } from "./store-faults.cases.ts";
import { feedCases } from "./store-feed.cases.ts";
import { fieldCases } from "./store-fields.cases.ts";
import { quotaCases } from "./store-quota.cases.ts";
import { absentQueueCases, carriedCases, queueCases } from "./store-queue.cases.ts";
import { ownershipCases } from "./store-ownership.cases.ts";
import { replacementCases } from "./store-replacement.cases.ts";
import { batchCases, seriesCases } from "./store-series.cases.ts";
import { listCases } from "./store-list.cases.ts";
import type { StoreContract, StoreUnderTest } from "./store-under-test.ts";

/**
 * The contract of the port Store (core/store/store.ts). It uses only the port, and the operations that
 * StoreUnderTest adds to it.
 */
export function storeContract(contract: StoreContract): void {
  describe(`the store on ${contract.name}`, () => {
    let current: StoreUnderTest;
    beforeEach(async () => {
      current = await contract.create();
    });
    afterEach(() => current.close());

    const subject = (): StoreUnderTest => current;
    describe("a commit", () => commitCases(subject));
    describe("reads and lists", () => listCases(subject));
    describe("fields of records", () => fieldCases(subject));
    describe("the change feed", () => feedCases(subject));
    describe("writers at the same time", () => concurrencyCases(subject));
    describe("a plan that is carried to a later head", () => carriedCases(subject));
    describe("a certificate that is replaced", () => replacementCases(subject));
    describe("several writes in one transaction", () => seriesCases(subject));
    describe("the quota of an account", () => quotaCases(subject));
    describe("a batch of domain writes", () => batchCases(subject));
    describe("a name that an account has to show to be its own", () => ownershipCases(subject));
    const absentBecause = contract.cannot?.queue;
    describe("the queue of writers", () => {
      if (absentBecause === undefined) queueCases(subject);
      else absentQueueCases(subject, absentBecause);
    });
    describe("an item that cannot be read", () => unreadableCases(subject));
    describe("an MX host that cannot be read", () => damagedHostCases(subject));
    const endsBecause = contract.cannot?.reopen;
    describe("after its end", () => {
      if (endsBecause === undefined) reopenCases(subject);
      else forgottenCases(subject, contract.create, endsBecause);
    });
  });
}
