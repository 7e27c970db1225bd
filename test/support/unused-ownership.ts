import type { OwnershipDependencies } from "../../core/management/ownership-service.ts";

const unused = (): never => {
  throw new TypeError("no name is pending here");
};

/** Of a schedule whose settings have no pending names. */
export const UNUSED_OWNERSHIP: OwnershipDependencies = {
  store: new Proxy({} as OwnershipDependencies["store"], { get: unused }),
  issuanceState: { get: unused, put: unused, delete: unused },
  readTxt: unused,
  clock: { now: () => Date.now() },
  retry: { now: unused, random: unused, sleep: unused },
};
