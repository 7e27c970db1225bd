import type { Api } from "./api.ts";
import type { ValuesInForce } from "./consent.ts";
import type { Network } from "./network.ts";
import { type ConsentVariable, isConsentVariable } from "./deploy-variables.ts";
import type { GateSettings, Names } from "./gate-settings.ts";
import type { Storage } from "./storage.ts";
import type { Table } from "./table.ts";
import type { Worker } from "./worker.ts";
import type { Writers } from "./writers.ts";

/** Values in force since the last deployment, one parameter for each variable. */
const IN_FORCE = "in-force";

/** Production retains removed resources; a retained parameter would name a resource that no longer exists. */
const GOES_WITH_ITS_VALUE = { retainOnDelete: false } as const;

export interface OutputParts {
  readonly network: Network;
  readonly storage: Storage;
  readonly table: Table;
  readonly worker: Worker;
  /** null = another region writes. */
  readonly writers: Writers | null;
}

/** Values that the last deployment of this stage wrote; empty before the first. */
export async function readValuesInForce({
  path: gate,
}: Names): Promise<Partial<Record<ConsentVariable, string>>> {
  const path = `${gate}/${IN_FORCE}`;
  // An empty list, not an error, when the path has no parameters.
  const { names, values } = await aws.ssm.getParametersByPath({ path, withDecryption: false });
  return Object.fromEntries(
    names.flatMap((name, index) => {
      const variable = name.slice(path.length + 1);
      const value = values[index];
      return isConsentVariable(variable) && value !== undefined ? [[variable, value]] : [];
    }),
  );
}

/**
 * Parameters for other programs with a gate's names, the policy for callers of its API, and the values that
 * the next deployment is compared with.
 */
export function createOutputs(settings: GateSettings, parts: OutputParts, inForce: ValuesInForce): void {
  const { network, storage, table, worker, writers } = parts;
  const { names } = settings;
  const parameter = (name: string, value: $util.Input<string>): void => {
    new aws.ssm.Parameter(
      names.of(`Output-${name}`),
      { name: `${names.path}/${name}`, type: "String", value },
      GOES_WITH_ITS_VALUE,
    );
  };
  if (writers !== null) parameter("api-url", writers.api.api.url);
  parameter("table", table.name);
  parameter("key-bucket", storage.keys.name);
  if (storage.mail !== null) parameter("mail-bucket", storage.mail.name);
  parameter("smtp-name", settings.smtpName);
  parameter("load-balancer", worker.service.nodes.loadBalancer.dnsName);
  const addresses = $util.all(network.addresses.map(({ publicIp }) => publicIp));
  new aws.ssm.Parameter(
    names.of("Output-addresses"),
    { name: `${names.path}/addresses`, type: "StringList", value: addresses.apply((all) => all.join(",")) },
    GOES_WITH_ITS_VALUE,
  );
  if (writers !== null && settings.authorizer.kind === "iam")
    parameter("api-policy", createCallerPolicy(names, writers.api).arn);
  // Not the components: Pulumi would wait only for those of their parts that exist already.
  const last = [worker.service.nodes.service, ...(writers === null ? [] : partsOf(writers))];
  for (const [variable, text] of Object.entries(inForce)) {
    // After a rollback by ECS the edges are those of the previous deployment.
    const value = worker.running.apply(() => text);
    new aws.ssm.Parameter(
      names.of(`InForce-${variable}`),
      { name: `${names.path}/${IN_FORCE}/${variable}`, type: "String", value },
      // Written last: after a deployment that failed half-way, the next is compared with the last successful
      // one.
      { ...GOES_WITH_ITS_VALUE, dependsOn: last },
    );
  }
}

const partsOf = ({ api, schedule }: Writers) => [
  api.api,
  ...[api.handler, schedule.handler].map(({ nodes }) => nodes.function),
];

/** Attached to a user or a role, it lets them call every route of this stage's API. */
const createCallerPolicy = (names: Names, { api }: Api): aws.iam.Policy =>
  new aws.iam.Policy(
    names.of("ApiCaller"),
    {
      description: "Postern: may call the API of one stage",
      policy: aws.iam.getPolicyDocumentOutput({
        statements: [
          {
            actions: ["execute-api:Invoke"],
            resources: [$interpolate`${api.nodes.api.executionArn}/*`],
          },
        ],
      }).json,
    },
    GOES_WITH_ITS_VALUE,
  );
