import type { GateSettings } from "./gate-settings.ts";

/**
 * Network of the edges: public subnets without NAT, and a fixed address for each zone of the load balancer.
 */
export function createNetwork({ names, zones, isProduction }: GateSettings) {
  const vpc = new sst.aws.Vpc(names.of("Network"), {
    az: zonesOfRegion(zones),
    transform: {
      // No resource here uses the default group; a resource that is put into it by mistake has no access.
      securityGroup: (args) => {
        args.ingress = [];
        args.egress = [];
      },
    },
  });
  const region = aws.getRegionOutput().region;
  for (const service of ["dynamodb", "s3"] as const) {
    // Free, and traffic to the settings avoids the internet.
    new aws.ec2.VpcEndpoint(names.of(`Endpoint-${service}`), {
      vpcId: vpc.id,
      serviceName: $interpolate`com.amazonaws.${region}.${service}`,
      vpcEndpointType: "Gateway",
      routeTableIds: vpc.nodes.publicRouteTables.apply((tables) => tables.map((table) => table.id)),
    });
  }
  // An MX host must have address records (RFC 2181 section 10.3), at customers who cannot point an alias at a
  // load balancer: so its addresses must not change when a resource behind them is replaced.
  const addresses = Array.from(
    { length: zones },
    (_, index) =>
      new aws.ec2.Eip(names.of(`SmtpAddress${index + 1}`), { domain: "vpc" }, { protect: isProduction }),
  );
  const cluster = new sst.aws.Cluster(names.of("Edges"), { vpc });
  return { vpc, cluster, addresses, cidr: vpc.nodes.vpc.cidrBlock };
}

/** SST would leave the zone of a subnet open where a region has fewer, and two subnets could share one. */
function zonesOfRegion(zones: number): $util.Output<string[]> {
  // Includes impaired zones: without them, each subnet would move to another zone during an incident of AWS.
  const known = aws.getAvailabilityZonesOutput({
    // Not the local zones of metropolitan areas, which have no load balancers of this kind.
    filters: [{ name: "zone-type", values: ["availability-zone"] }],
  });
  return known.names.apply((names) => {
    if (names.length < zones) {
      throw new Error(
        `POSTERN_ZONES: the region has ${names.length} zones (${names.join(", ")}), not ${zones}`,
      );
    }
    return names.slice(0, zones);
  });
}

export type Network = ReturnType<typeof createNetwork>;
