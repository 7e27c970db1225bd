import { environmentForSst } from "./environment.ts";
import type { Settings } from "./settings.ts";
import { balancerTransforms, LOAD_BALANCER } from "./worker-balancer.ts";
import { environmentOf, PORTS, secretsOf, taskTransforms, type WorkerParts } from "./worker-task.ts";

/** Named here, since SST does not hand it out. */
export const edgeLogGroup = (): string => `/postern/${$app.stage}/edge`;

/** Not /ready: an edge that drains or waits for its first settings is not to be replaced. */
const LIVE_CHECK = `fetch("http://127.0.0.1:${PORTS.health}/live").then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))`;

/** The edges: a Fargate service on ARM64 behind a network load balancer with port 25. */
export function createWorker(settings: Settings, parts: WorkerParts) {
  const group = new aws.ec2.SecurityGroup("EdgeGroup", {
    vpcId: parts.network.vpc.id,
    description: "Postern: edges",
  });
  new aws.vpc.SecurityGroupEgressRule("EdgeEgress", {
    securityGroupId: group.id,
    ipProtocol: "-1",
    cidrIpv4: "0.0.0.0/0",
    description: "services of AWS, and next hops wherever an operator or the API puts them",
  });
  const service = createService(settings, parts, group);
  const balancerGroup = service.nodes.loadBalancer.securityGroups.apply(([first]) => first ?? "");
  for (const [name, port] of Object.entries(PORTS)) {
    new aws.vpc.SecurityGroupIngressRule(`EdgeIngress-${name}`, {
      securityGroupId: group.id,
      referencedSecurityGroupId: balancerGroup,
      ipProtocol: "tcp",
      fromPort: port,
      toPort: port,
      description: `load balancer to ${name}`,
    });
  }
  return { service, group };
}

export type Worker = ReturnType<typeof createWorker>;

function createService(settings: Settings, parts: WorkerParts, group: aws.ec2.SecurityGroup) {
  const { isProduction, edges } = settings;
  return new sst.aws.Service("Edge", {
    cluster: parts.network.cluster,
    architecture: "arm64",
    cpu: isProduction ? "1 vCPU" : "0.5 vCPU",
    memory: isProduction ? "2 GB" : "1 GB",
    image: { context: ".", dockerfile: "worker/Dockerfile" },
    environment: environmentForSst(environmentOf(settings, parts)),
    ssm: secretsOf(settings),
    logging: { name: edgeLogGroup(), retention: "1 year" },
    health: {
      command: ["CMD", "node", "-e", LIVE_CHECK],
      interval: "10 seconds",
      timeout: "5 seconds",
      retries: 3,
      startPeriod: "30 seconds",
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
      ...balancerTransforms(settings, parts.network),
      ...taskTransforms(settings, parts),
      service: (args) => {
        args.networkConfiguration = $output(args.networkConfiguration).apply((given) => ({
          assignPublicIp: given?.assignPublicIp,
          subnets: given?.subnets ?? [],
          securityGroups: [group.id],
        }));
        args.healthCheckGracePeriodSeconds = 60;
        // The new edges are there before the old ones go.
        args.deploymentMinimumHealthyPercent = 100;
        args.deploymentMaximumPercent = 200;
        args.enableExecuteCommand = false;
      },
    },
  });
}
