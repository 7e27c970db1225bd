import { describeRoute } from "../core/delivery/route.ts";
import { readerEnvironment, type WorkerEnvironment } from "./environment.ts";
import type { Network } from "./network.ts";
import {
  deliverToBucket,
  deliverToOwnBucket,
  inlinePolicy,
  keyObjects,
  listKeyObjects,
  type Permission,
  parameterArn,
  readParameter,
  useKey,
  useTable,
  writeEdgeReports,
} from "./permissions.ts";
import type { GateSettings } from "./gate-settings.ts";
import { MAIL_PREFIX, type Storage } from "./storage.ts";
import type { Table } from "./table.ts";

/** Ports of a task. Only the load balancer can reach them. */
export const PORTS = { smtp: 2525, health: 8081 } as const;
/**
 * On loopback alone: the shared listener cannot take PROXY headers. Mail comes through one of SMTP_LISTENERS
 * either way, by one name.
 */
const SHARED_PORT = 2526;

/**
 * Sequence of an edge's end. ECS deregisters it from the load balancer, waits until the target is unused, and
 * sends SIGTERM. The load balancer sends new connections for about two minutes after the deregistration, for
 * any deregistration delay: `deregisterSeconds` covers that with a minute to spare. ECS does not wait when it
 * stops a task for another reason, so an edge accepts for `acceptSeconds` after SIGTERM as well, and
 * transactions in flight then have the rest of `drainSeconds`, which counts from SIGTERM. After
 * `killSeconds`, the maximum of Fargate, the edge is killed.
 */
export const ENDING = {
  deregisterSeconds: 180,
  acceptSeconds: 60,
  drainSeconds: 100,
  killSeconds: 120,
} as const;

export interface WorkerParts {
  readonly network: Network;
  readonly table: Table;
  readonly storage: Storage;
}

export function environmentOf(
  settings: GateSettings,
  { network, table, storage }: WorkerParts,
): WorkerEnvironment {
  const delivery = deliveryOf(settings, storage);
  return {
    ...readerEnvironment(table, storage),
    SMTP_NAME: settings.smtpName,
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: String(SHARED_PORT),
    SMTP_LISTENERS: network.cidr.apply((cidr) => JSON.stringify([listenerOf(settings, cidr)])),
    HEALTH_HOST: "0.0.0.0",
    HEALTH_PORT: String(PORTS.health),
    // The only writable directory; it is lost with the task.
    DATA_DIR: "/tmp/postern",
    METRICS_EMF: settings.names.metrics,
    LIMITS: JSON.stringify({
      maxConnections: settings.connections,
      acceptAfterTermMs: ENDING.acceptSeconds * 1000,
      drainMs: ENDING.drainSeconds * 1000,
    }),
    ...(delivery === null ? {} : { DELIVERY: delivery }),
    ...settings.edge,
  };
}

/**
 * Listener of the load balancer's connections. It must expect a PROXY header exactly when the target group
 * sends one.
 */
function listenerOf({ clientAddress }: GateSettings, cidr: string): object {
  const listener = { name: "mx", host: "0.0.0.0", port: PORTS.smtp };
  return clientAddress === "proxy-v2" ? { ...listener, proxyProtocol: true, proxyFrom: [cidr] } : listener;
}

/** null = the value is a secret from a parameter. */
function deliveryOf({ delivery }: GateSettings, { mail }: Storage): $util.Input<string> | null {
  switch (delivery.kind) {
    case "own-bucket":
      return $interpolate`s3://${mail?.name ?? ""}/${MAIL_PREFIX}`;
    case "bucket":
      return describeRoute({ kind: "s3", bucket: delivery.bucket, prefix: delivery.prefix });
    case "next-hop":
      return delivery.url;
    case "parameter":
      return null;
    default:
      return delivery satisfies never;
  }
}

/** Secrets that ECS reads before it starts an edge; empty unless a next hop needs a password. */
export const secretsOf = ({ delivery }: GateSettings): Record<string, $util.Output<string>> =>
  delivery.kind === "parameter" ? { DELIVERY: parameterArn(delivery.name) } : {};

/** Settings that SST's task definition does not make. */
export const taskTransforms = (settings: GateSettings, parts: WorkerParts) => ({
  taskDefinition: (args: aws.ecs.TaskDefinitionArgs): undefined => {
    args.volumes = [{ name: "tmp" }];
    args.containerDefinitions = $jsonParse($output(args.containerDefinitions)).apply((containers) =>
      JSON.stringify((containers as readonly Container[]).map(hardened)),
    );
  },
  taskRole: (args: aws.iam.RoleArgs): undefined => {
    // Replaces SST's policy instead of adding to it: that one allows a shell in every task.
    args.inlinePolicies = [inlinePolicy(permissionsOf(settings, parts))];
  },
  executionRole: (args: aws.iam.RoleArgs): undefined => {
    // SST's policy allows reading every parameter and secret of the account.
    const { delivery } = settings;
    args.inlinePolicies =
      delivery.kind === "parameter"
        ? [inlinePolicy(readParameter(parameterArn(delivery.name), delivery.key, "ssm:GetParameters"))]
        : [];
  },
});

/** As much of SST's definition of a container as is changed member by member. */
interface Container {
  readonly logConfiguration: { readonly options: Readonly<Record<string, string>> };
}

/**
 * Set explicitly, since an account may have another default: a log driver that blocks would stop an edge
 * while CloudWatch Logs cannot be reached. Lines that do not fit into the buffer are lost; it is part of the
 * task's memory.
 */
const LOG_DELIVERY = { mode: "non-blocking", "max-buffer-size": "10m" } as const;

const hardened = (container: Container): object => ({
  ...container,
  logConfiguration: {
    ...container.logConfiguration,
    options: { ...container.logConfiguration.options, ...LOG_DELIVERY },
  },
  user: "1000",
  readonlyRootFilesystem: true,
  mountPoints: [{ sourceVolume: "tmp", containerPath: "/tmp", readOnly: false }],
  // 30 unless set: less than the edge needs to let transactions end.
  stopTimeout: ENDING.killSeconds,
  pseudoTerminal: false,
  // The image has an init process.
  linuxParameters: { initProcessEnabled: false, capabilities: { drop: ["ALL"] } },
  ulimits: [{ name: "nofile", softLimit: 65_535, hardLimit: 65_535 }],
  portMappings: Object.values(PORTS).map((containerPort) => ({ containerPort, protocol: "tcp" })),
});

function permissionsOf({ delivery }: GateSettings, { table, storage }: WorkerParts): readonly Permission[] {
  return [
    ...useTable(table, ["dynamodb:GetItem", "dynamodb:Query"]),
    ...writeEdgeReports(table),
    ...keyObjects(storage, ["s3:GetObject"], ["keys", "trust", "backup"]),
    ...listKeyObjects(storage),
    ...useKey(storage, storage.keys.arn, ["kms:Decrypt"]),
    ...deliverToOwnBucket(storage),
    ...(delivery.kind === "bucket" ? deliverToBucket(delivery) : []),
  ];
}
