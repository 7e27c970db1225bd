import type { DomainStatus } from "../../../sdk/src/index.ts";
import type { CommandSpec, Context } from "../frame/command.ts";
import { CommandError } from "../frame/command-error.ts";
import { painted } from "../frame/output.ts";
import { printClaims } from "./pending-names.ts";
import { printWarnings } from "./print-record.ts";

const MAX_TIMEOUT_S = 3600;
const DEFAULT_TIMEOUT_S = 60;
const MS_PER_S = 1_000;

export const STATUS: CommandSpec = {
  path: "status",
  summary: "Show which edges enforce the settings of a domain",
  example: "postern status example.com --wait",
  arguments: [{ name: "<domain>", about: "name of the domain" }],
  options: [
    { flags: "--wait", about: "until every live edge enforces its present settings" },
    { flags: "--timeout <seconds>", about: `of --wait: at most so long; ${DEFAULT_TIMEOUT_S} if left out` },
  ],
  async run(context) {
    const { api, input, output } = context;
    const name = input.argument("domain");
    const timeoutS = input.number("timeout", { min: 1, max: MAX_TIMEOUT_S }) ?? DEFAULT_TIMEOUT_S;
    const postern = await api();
    const first = await postern.domains.status(name);
    if (!input.flag("wait") || first.revision === null) {
      printStatus(first, output);
      if (!input.flag("wait")) return;
      throw new CommandError(`the stored settings of ${name} cannot be read: no edge enforces them`);
    }
    output.progress(`waiting for every edge to enforce revision ${first.revision}: ${first.summary}`);
    const timeoutMs = timeoutS * MS_PER_S;
    printStatus(await postern.domains.waitUntilApplied(name, first.revision, { timeoutMs }), output);
  },
};

const NEWEST = "TLSv1.3";
const versionsOf = (oldest: string): string => (oldest === NEWEST ? oldest : `${oldest} or later`);

function printStatus(status: DomainStatus, output: Context["output"]): void {
  output.json(status);
  const { revision, summary, edges, listeners, mxHosts } = status;
  output.line(painted("bold", status.name), ` at revision ${revision ?? "unknown"}: ${summary}`);
  for (const edge of edges.live)
    output.line(
      `  edge ${edge.id}: `,
      edge.atRevision ? painted("good", "in force") : painted("warn", "not yet in force"),
      edge.stale ? painted("warn", ", cannot reach the store") : "",
    );
  for (const { id, lastReportAt } of edges.lost)
    output.line(`  edge ${id}: `, painted("bad", `lost since ${lastReportAt}`));
  for (const { listener, effective } of listeners)
    output.line(
      `  listener ${listener}: `,
      effective === null
        ? painted("warn", "not served")
        : `level ${effective.level}, ${versionsOf(effective.minVersion)}, client certificate ${effective.clientCertificateMode}, ${effective.enforcement}`,
    );
  const pending = new Set(status.ownership?.hosts.map(({ host }) => host));
  for (const { host, certificateId, own } of mxHosts)
    output.line(
      `  host ${host}: `,
      pending.has(host)
        ? painted("warn", "pending")
        : own
          ? (certificateId ?? "default certificate")
          : "another account's",
    );
  printClaims(status, output);
  printWarnings(status, output);
}
