import { createAlarms } from "./alarms.ts";
import { createApi } from "./api.ts";
import { requireConsent, valuesOf } from "./consent.ts";
import { createDashboard } from "./dashboard.ts";
import { createNetwork } from "./network.ts";
import { createOutputs, readValuesInForce } from "./outputs.ts";
import { createSchedule } from "./schedule.ts";
import { readSettings } from "./settings.ts";
import { createStorage } from "./storage.ts";
import { createTable } from "./table.ts";
import { createWorker } from "./worker.ts";

/** Everything of a stage. Returned are the places that an operator needs (docs/deploy.md). */
export async function deployment() {
  const settings = readSettings($app.stage, process.env);
  const inForce = valuesOf(settings);
  requireConsent({ before: await readValuesInForce(), after: inForce, consent: settings.consent });
  const table = createTable(settings);
  const storage = createStorage(settings);
  const network = createNetwork(settings);
  const api = createApi(settings, { table, storage });
  const schedule = createSchedule(settings, { table, storage });
  const worker = createWorker(settings, { network, table, storage });
  createDashboard(createAlarms(settings, { table, api, schedule, worker }));
  createOutputs(settings, { api, network, schedule, storage, table, worker }, inForce);
  return {
    api: api.api.url,
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
