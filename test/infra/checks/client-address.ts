import { expect } from "vitest";
import { parseConfig } from "../../../worker/config/config.ts";
import type { Stack } from "../harness/stack.ts";
import { parametersOf } from "./outputs.ts";
import { at, type Checks, edgeEnvironment, onlyOne, withoutSst } from "./stack-reader.ts";

const target = (stack: Stack) => onlyOne(stack, "lb/targetGroup:TargetGroup").inputs;

/** Listeners of an edge that the load balancer can reach. */
const reachable = (stack: Stack) =>
  parseConfig(withoutSst(edgeEnvironment(stack)), { cwd: "/app", hostName: null }).listeners.filter(
    ({ host }) => host !== "127.0.0.1",
  );

const listener = { name: "mx", host: "0.0.0.0", dedicatedTo: null } as const;

/** What holds unless the deployment chose `POSTERN_CLIENT_ADDRESS=proxy-v2`. */
export const CLIENT_ADDRESS_CHECKS: Checks = {
  "the client's address is the source of its packets, and no header comes before them": (stack) => {
    expect(target(stack)).toMatchObject({
      targetType: "ip",
      protocol: "TCP",
      port: 2525,
      proxyProtocolV2: false,
      preserveClientIp: "true",
    });
    expect(parametersOf(stack)["in-force/POSTERN_CLIENT_ADDRESS"]).toBe("preserve");
  },
  "an edge takes mail on the load balancer's port alone, and greets without waiting for a header": (
    stack,
  ) => {
    expect(reachable(stack)).toEqual([{ ...listener, port: target(stack)["port"], proxyFrom: null }]);
  },
  "the load balancer has no IPv6 clients, whose address edges would not see": (stack) => {
    const balancer = onlyOne(stack, "lb/loadBalancer:LoadBalancer").inputs;
    expect(balancer["ipAddressType"]).toBe("ipv4");
    expect(target(stack)["ipAddressType"] ?? "ipv4").toBe("ipv4");
  },
  "targets are in the network of their load balancer, which addresses are preserved in alone": (stack) => {
    const vpc = `${onlyOne(stack, "ec2/vpc:Vpc").name}-id`;
    expect(target(stack)["vpcId"]).toBe(vpc);
  },
};

/** What holds where the deployment chose it. */
export const PROXY_CHECKS: Checks = {
  "with proxy-v2 the load balancer sends a header of version 2, from its own address": (stack) => {
    expect(target(stack)).toMatchObject({
      targetType: "ip",
      protocol: "TCP",
      port: 2525,
      proxyProtocolV2: true,
      preserveClientIp: "false",
    });
    expect(parametersOf(stack)["in-force/POSTERN_CLIENT_ADDRESS"]).toBe("proxy-v2");
  },
  "with proxy-v2 an edge takes mail by header alone, from the network of the stage": (stack) => {
    const cidr = at(onlyOne(stack, "ec2/vpc:Vpc").inputs, "cidrBlock");
    expect(reachable(stack)).toEqual([{ ...listener, port: target(stack)["port"], proxyFrom: [cidr] }]);
  },
};
