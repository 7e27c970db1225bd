import type { CapturedResource } from "./captured-resource.ts";
import type { Network } from "./network.ts";
import type { GateSettings } from "./gate-settings.ts";
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

/**
 * The maximum of AWS. A sender that waits for the reply to its dot is silent as long as the next hop is;
 * after AWS's default of 350 s it would not receive the 250 of a message that was delivered, and would send
 * it again. The edge's own limits end silent sessions.
 */
const IDLE_SECONDS = 6_000;

/** Settings that SST's load balancer does not make. */
export const balancerTransforms = (
  { isProduction, clientAddress }: GateSettings,
  network: Network,
  captureListener: CapturedResource["captureFrom"],
) => ({
  listener: (args: aws.lb.ListenerArgs, options: $util.CustomResourceOptions): undefined => {
    args.tcpIdleTimeoutSeconds = IDLE_SECONDS;
    captureListener(options);
  },
  target: (args: aws.lb.TargetGroupArgs): undefined => {
    // By default a header is sent with the client's first octets, and an SMTP client waits for the greeting
    // (ADR 0026). A group that is named in a rule is matched by the balancer's traffic, whatever the source
    // of its packets.
    const byHeader = clientAddress === "proxy-v2";
    args.proxyProtocolV2 = byHeader;
    args.preserveClientIp = String(!byHeader);
    args.deregistrationDelay = ENDING.deregisterSeconds;
    args.connectionTermination = false;
    // By default a target that fails its checks has all its connections reset. An edge that drains fails them
    // on purpose, and one at full load may: their sessions go on for as long as an edge may take to end,
    // without new ones.
    args.targetHealthStates = [
      { enableUnhealthyConnectionTermination: false, unhealthyDrainingInterval: ENDING.killSeconds },
    ];
    // SST checks a tcp port by TCP, which passes as soon as it is open. The worker's own /ready also knows
    // whether it holds settings and whether it drains, and never asks the store.
    args.healthCheck = $output(args.healthCheck).apply((health) => ({
      ...health,
      protocol: "HTTP",
      port: String(PORTS.health),
      path: "/ready",
      matcher: "200",
    }));
  },
  loadBalancer: (args: aws.lb.LoadBalancerArgs, options: $util.CustomResourceOptions): undefined => {
    // AWS rejects one that faces the internet in a VPC whose internet gateway is not attached yet.
    options.dependsOn = [network.vpc];
    args.enableDeletionProtection = isProduction;
    // An IPv6 client would have the balancer's own address at an edge, which has IPv4 alone.
    args.ipAddressType = "ipv4";
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
