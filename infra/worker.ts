import { captureResource } from "./captured-resource.ts";
import { environmentForSst } from "./environment.ts";
import { edgeMetric } from "./metrics.ts";
import type { GateSettings, Names } from "./gate-settings.ts";
import { balancerTransforms, LOAD_BALANCER } from "./worker-balancer.ts";
import { environmentOf, PORTS, secretsOf, taskTransforms, type WorkerParts } from "./worker-task.ts";

/** Named here, since SST does not expose the name. */
const edgeLogGroup = ({ path }: Names): string => `${path}/edge`;

/** Not /ready: an edge that drains or waits for its first settings must not be replaced. */
const LIVE = `http://127.0.0.1:${PORTS.health}/live`;

/**
 * For an edge that starts, until `/ready` answers 200: the load balancer's "unhealthy" does not count before.
 * Eight edges that start together read a million domains in 100 s at the 12,000 read units a second that a
 * new table on demand has.
 */
const LOADING_SECONDS = 180;

/** The edges: a Fargate service on ARM64 behind a network load balancer with port 25. */
export function createWorker(settings: GateSettings, parts: WorkerParts) {
  const { names } = settings;
  const group = new aws.ec2.SecurityGroup(names.of("EdgeGroup"), {
    vpcId: parts.network.vpc.id,
    description: "Postern: edges",
  });
  const egress = new aws.vpc.SecurityGroupEgressRule(names.of("EdgeEgress"), {
    securityGroupId: group.id,
    ipProtocol: "-1",
    cidrIpv4: "0.0.0.0/0",
    description: "services of AWS, and next hops wherever an operator or the API puts them",
  });
  // The component makes the balancer's group, after these rules: the edges wait for them.
  const balancerGroup = Promise.withResolvers<$util.Output<string>>();
  const ingress = Object.entries(PORTS).map(
    ([name, port]) =>
      new aws.vpc.SecurityGroupIngressRule(names.of(`EdgeIngress-${name}`), {
        securityGroupId: group.id,
        referencedSecurityGroupId: $output(balancerGroup.promise),
        ipProtocol: "tcp",
        fromPort: port,
        toPort: port,
        description: `load balancer to ${name}`,
      }),
  );
  const service = createService(settings, parts, { group, rules: [egress, ...ingress] });
  scaleByConnections(settings, service);
  balancerGroup.resolve(service.nodes.loadBalancer.securityGroups.apply(([first]) => first ?? ""));
  return { service, group, running: runningRelease(names, service) };
}

/** ECS rolled back to the previous release, since edges of this one did not become healthy. */
class EdgesRolledBack extends Error {
  override readonly name = "EdgesRolledBack";
}

/**
 * The task definition that edges run, once they are steady. The provider waits for a steady service, and a
 * service that ECS has rolled back is steady too, with the previous task definition.
 *
 * @returns an output that rejects with EdgesRolledBack.
 */
const runningRelease = (names: Names, { nodes }: sst.aws.Service): $util.Output<string> =>
  $util
    .all([nodes.service.taskDefinition, $output(nodes.taskDefinition).arn])
    .apply(([running = "none", wanted]) => {
      if (running === wanted) return running;
      throw new EdgesRolledBack(
        `The edges of this release did not become healthy: ECS went back to ${running}. Their log: ${edgeLogGroup(names)}`,
      );
    });

/**
 * Part of the connections that an edge may hold. Slow sessions fill it at 15 % of a vCPU, so that CPU alone
 * would never add an edge. Scaling out takes some minutes: the connections of these minutes must fit into the
 * remaining part.
 */
const FULL_ENOUGH = 0.6;

/** Beside CPU and memory: application auto scaling uses the largest result of its policies. */
function scaleByConnections({ names, connections }: GateSettings, service: sst.aws.Service): void {
  const { resourceId, scalableDimension, serviceNamespace } = service.nodes.autoScalingTarget;
  const { metricName, dimensions } = edgeMetric("ConnectionsOpen");
  new aws.appautoscaling.Policy(names.of("EdgeConnections"), {
    name: `${names.once}-connections`,
    resourceId,
    scalableDimension,
    serviceNamespace,
    policyType: "TargetTrackingScaling",
    targetTrackingScalingPolicyConfiguration: {
      customizedMetricSpecification: {
        namespace: names.metrics,
        metricName,
        dimensions: Object.entries(dimensions).map(([name, value]) => ({ name, value })),
        // Each edge publishes its own number every minute: their mean falls as edges are added, as target
        // tracking needs.
        statistic: "Average",
      },
      targetValue: Math.round(connections * FULL_ENOUGH),
      scaleInCooldown: 300,
    },
  });
}

export type Worker = ReturnType<typeof createWorker>;

interface EdgeGroup {
  readonly group: aws.ec2.SecurityGroup;
  readonly rules: readonly $util.Resource[];
}

function createService(settings: GateSettings, parts: WorkerParts, { group, rules }: EdgeGroup) {
  const { names, edges, sizes } = settings;
  const { vpc, cluster } = parts.network;
  const listener = captureResource();
  return new sst.aws.Service(names.of("Edge"), {
    cluster,
    architecture: "arm64",
    // readSizes has checked that Fargate supports this pair.
    cpu: `${sizes.edgeCpu} vCPU` as "1 vCPU",
    memory: `${sizes.edgeMemory} GB`,
    image: { context: settings.checkout, dockerfile: "worker/Dockerfile" },
    environment: environmentForSst(environmentOf(settings, parts)),
    ssm: secretsOf(settings),
    logging: { name: edgeLogGroup(names), retention: "1 year" },
    health: {
      // Of the image: bash alone, since a check that starts a node fails at full load. The load balancer
      // stops sending to an edge that does not answer after 20 seconds; this one only has to find a process
      // that hangs for minutes.
      command: ["CMD", "bash", "/app/check-url.sh", LIVE],
      interval: "30 seconds",
      timeout: "20 seconds",
      retries: 5,
      startPeriod: "60 seconds",
    },
    loadBalancer: LOAD_BALANCER,
    scaling: {
      min: edges.min,
      max: edges.max,
      cpuUtilization: 60,
      memoryUtilization: 75,
      scaleInCooldown: "5 minutes",
    },
    // Not spot: it gives two minutes' notice to sessions that may last thirty.
    capacity: { fargate: { base: 1, weight: 1 } },
    wait: true,
    transform: {
      ...balancerTransforms(settings, parts.network, listener.captureFrom),
      ...taskTransforms(settings, parts),
      service: (args, options) => {
        // ECS rejects a target group without a listener and a capacity provider that the cluster does not
        // have; and an edge needs its routes and rules to fetch the image and to become healthy.
        options.dependsOn = [vpc, cluster, listener.resource, ...rules];
        args.networkConfiguration = $output(args.networkConfiguration).apply((given) => ({
          assignPublicIp: given?.assignPublicIp,
          subnets: given?.subnets ?? [],
          securityGroups: [group.id],
        }));
        args.healthCheckGracePeriodSeconds = LOADING_SECONDS;
        // New edges are started before the old ones are stopped.
        args.deploymentMinimumHealthyPercent = 100;
        args.deploymentMaximumPercent = 200;
        args.enableExecuteCommand = false;
      },
    },
  });
}
