import { createAlarms } from "./alarms.ts";
import { requireConsent, valuesOf } from "./consent.ts";
import { readCopies } from "./copied-names.ts";
import { createCopies, requireOtherRegion } from "./copies.ts";
import { createDashboard } from "./dashboard.ts";
import type { GateSettings } from "./gate-settings.ts";
import { createNetwork } from "./network.ts";
import { createOutputs, readValuesInForce } from "./outputs.ts";
import { createStorage } from "./storage.ts";
import { createTable } from "./table.ts";
import { createWorker } from "./worker.ts";
import { createWriters } from "./writers.ts";

/**
 * Creates all resources of a gate. @returns the addresses and names that an operator needs (docs/deploy.md).
 */
export async function deployGate(settings: GateSettings) {
  const { names } = settings;
  const inForce = valuesOf(settings);
  requireConsent({ before: await readValuesInForce(names), after: inForce, consent: settings.consent });
  await requireOtherRegion(settings);
  const copies = settings.role === "primary" ? null : await readCopies(names);
  const table = createTable(settings, copies);
  const storage = createStorage(settings, copies);
  const replication = createCopies(settings, table, storage);
  const network = createNetwork(settings);
  const writers = createWriters(settings, { table, storage });
  const worker = createWorker(settings, { network, table, storage });
  createDashboard(names, createAlarms(settings, { table, replication, writers, worker }));
  createOutputs(settings, { network, storage, table, worker, writers }, inForce);
  return {
    api: writers?.api.api.url ?? null,
    loadBalancer: worker.service.nodes.loadBalancer.dnsName,
    table: table.name,
    keyBucket: storage.keys.name,
    mailBucket: storage.mail?.name ?? null,
    dns: $util
      .all(network.addresses.map(({ publicIp }) => publicIp))
      .apply((addresses) => [
        ...addresses.map((address) => `${settings.smtpName}. A ${address}`),
        ...addresses.map((address) => `<each MX host of a domain>. A ${address}`),
        `<each domain>. MX 10 <its MX host>.`,
      ]),
  };
}
