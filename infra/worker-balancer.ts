import type { Network } from "./network.ts";
import type { Settings } from "./settings.ts";
import { ENDING, PORTS } from "./worker-task.ts";

const TARGET = `${PORTS.smtp}/tcp` as const;

/** Not `25/tls`, which would end TLS at the load balancer: STARTTLS is the edge's. */
export const LOAD_BALANCER = {
  rules: [{ listen: "25/tcp" as const, forward: TARGET }],
  health: {
    [TARGET]: {
      interval: "10 seconds" as const,
      timeout: "6 seconds" as const,
      healthyThreshold: 2,
      unhealthyThreshold: 2,
    },
  },
};

/** What SST's own load balancer leaves open or does not ask for. */
export const balancerTransforms = ({ isProduction }: Settings, network: Network) => ({
  target: (args: aws.lb.TargetGroupArgs): undefined => {
    args.proxyProtocolV2 = true;
    // The client's address comes in the header. With the balancer's own as the packet's source, the edges' group can
    // admit the balancer alone.
    args.preserveClientIp = "false";
    args.deregistrationDelay = ENDING.deregisterSeconds;
    args.connectionTermination = false;
    // SST checks a tcp port by TCP, which passes as soon as it is open. The worker's own /ready also knows whether it
    // holds settings and whether it drains, and never asks the store.
    args.healthCheck = $output(args.healthCheck).apply((health) => ({
      ...health,
      protocol: "HTTP",
      port: String(PORTS.health),
      path: "/ready",
      matcher: "200",
    }));
  },
  loadBalancer: (args: aws.lb.LoadBalancerArgs): undefined => {
    args.enableDeletionProtection = isProduction;
    // Two edges in three zones: a zone without one must reach the others'.
    args.enableCrossZoneLoadBalancing = true;
    args.subnetMappings = network.vpc.publicSubnets.apply((subnets) =>
      network.addresses.map((address, index) => ({
        subnetId: subnets[index] ?? "",
        allocationId: address.id,
      })),
    );
    args.subnets = undefined;
  },
  loadBalancerSecurityGroup: (args: aws.ec2.SecurityGroupArgs): undefined => {
    args.ingress = [rule(25, "0.0.0.0/0", "SMTP")];
    args.egress = Object.entries(PORTS).map(([name, port]) => rule(port, network.cidr, name));
  },
});

const rule = (port: number, cidr: $util.Input<string>, description: string) => ({
  protocol: "tcp",
  fromPort: port,
  toPort: port,
  cidrBlocks: [cidr],
  description,
});
