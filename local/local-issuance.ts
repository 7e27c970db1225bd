import { setTimeout as sleep } from "node:timers/promises";
import { createAcmeCas } from "../adapters/acme/acme-cas.ts";
import { createDnsWebhook } from "../adapters/acme/dns-webhook.ts";
import { createTxtLookup } from "../adapters/acme/txt-lookup.ts";
import type { Clock } from "../core/clock.ts";
import { firstOf } from "../core/management/challenge-records.ts";
import { CertificateIssuance, leaseName } from "../core/management/issuance.ts";
import type { OwnershipDependencies } from "../core/management/ownership-service.ts";
import type { RetryEffects } from "../core/retry.ts";
import { loadAtEdgeWith } from "../worker/tls/tls-parameters.ts";
import type { LocalConfig } from "./local-config.ts";
import type { LocalStores } from "./local-stores.ts";

export interface LocalIssuanceOptions extends Pick<LocalStores, "store" | "vault" | "issuanceState"> {
  readonly config: LocalConfig;
  readonly release: string;
  readonly clock: Clock;
  /** Ends the pauses of an order when the process stops; the next start goes on with it. */
  readonly signal: AbortSignal;
}

/**
 * Certificates that this process makes and orders.
 *
 * @throws WrongEnvironment when a `caFile` of ACME_DIRECTORIES cannot be read.
 */
export function createLocalIssuance(options: LocalIssuanceOptions): CertificateIssuance {
  const { config, release, clock, signal, store, vault, issuanceState } = options;
  const { dnsWebhook } = config;
  const webhook =
    dnsWebhook === null
      ? null
      : createDnsWebhook({ url: dnsWebhook.url, readSecret: async () => dnsWebhook.secret, clock });
  return new CertificateIssuance({
    store,
    vault,
    state: issuanceState,
    clock,
    loadAtEdge: loadAtEdgeWith(config.tlsCiphers),
    // Libraries of certificates and requests are loaded where one is made.
    makeSelfSigned: async (request, context) =>
      (await import("../core/x509/self-signed.ts")).createSelfSigned(request, context),
    createCsr: async (request) => (await import("../core/x509/certificate-request.ts")).createCsr(request),
    retry: retryUntil(signal),
    cas: createAcmeCas({
      directories: config.acmeDirectories,
      readEabKey: async (name) => config.eabHmacKeys[name] ?? null,
      clock,
      release,
    }),
    records: firstOf(webhook === null ? [] : [webhook]),
    readTxt: createTxtLookup({ servers: config.dnsResolvers }),
  });
}

const retryUntil = (signal: AbortSignal): RetryEffects => ({
  now: () => performance.now(),
  random: () => Math.random(),
  sleep: (ms) => sleep(ms, undefined, { signal }),
});

/** Checks of names that this process makes without a request. */
export const createLocalOwnership = ({
  config,
  clock,
  signal,
  store,
  issuanceState,
}: Omit<LocalIssuanceOptions, "release" | "vault">): OwnershipDependencies => ({
  store,
  issuanceState,
  clock,
  retry: retryUntil(signal),
  readTxt: createTxtLookup({ servers: config.dnsResolvers }),
});

/**
 * Ends the leases of a process that was killed: under the lock of DATA_DIR no other process orders. Never
 * rejects: a lease ends by itself too.
 */
export async function endLeases({
  store,
  issuanceState,
}: Pick<LocalStores, "store" | "issuanceState">): Promise<void> {
  try {
    const { certificates } = await store.loadAll();
    for (const { id, acme } of certificates)
      if (acme !== undefined) await issuanceState.delete(leaseName(id));
  } catch {
    // The sweep meets the same failure, and logs it.
  }
}
