import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { parseConfig } from "../../../worker/config/config.ts";
import { longestSilenceMs } from "../../support/client-silence.ts";
import { DEFAULT_LIMITS } from "../../../worker/config/limits.ts";
import type { Stack } from "../harness/stack.ts";
import {
  allOf,
  at,
  type Checks,
  edgeContainer,
  edgeEnvironment,
  isProduction,
  listAt,
  named,
  onlyOne,
  textAt,
  withoutSst,
} from "./stack-reader.ts";

const service = (stack: Stack) => onlyOne(stack, "ecs/service:Service").inputs;
const task = (stack: Stack) => onlyOne(stack, "ecs/taskDefinition:TaskDefinition").inputs;
const balancer = (stack: Stack) => onlyOne(stack, "lb/loadBalancer:LoadBalancer").inputs;
const target = (stack: Stack) => onlyOne(stack, "lb/targetGroup:TargetGroup").inputs;

/** ECS and the edge wait one after the other; Fargate kills after this, whatever is asked for. */
const FARGATE_KILLS_AFTER_SECONDS = 120;
/** Beyond `drainMs`, for what comes after the last transaction (the worker's own grace). */
const AFTER_DRAIN_SECONDS = 5;

export const EDGE_CHECKS: Checks = {
  "the world reaches port 25 and nothing else": (stack) => {
    expect(balancer(stack)).toMatchObject({ loadBalancerType: "network", internal: false });
    expect(
      allOf(stack, "lb/listener:Listener").map(({ inputs }) => [inputs["port"], inputs["protocol"]]),
    ).toEqual([[25, "TCP"]]);
    const group = onlyOne(
      stack,
      "ec2/securityGroup:SecurityGroup",
      named("EdgeLoadBalancerSecurityGroup"),
    ).inputs;
    expect(group["ingress"]).toEqual([
      { protocol: "tcp", fromPort: 25, toPort: 25, cidrBlocks: ["0.0.0.0/0"], description: "SMTP" },
    ]);
    expect(balancer(stack)["securityGroups"]).toEqual(["EdgeLoadBalancerSecurityGroup-id"]);
  },
  "nothing but the load balancer reaches an edge, on its two ports": (stack) => {
    expect(at(service(stack), "networkConfiguration", "securityGroups")).toEqual(["EdgeGroup-id"]);
    const group = onlyOne(stack, "ec2/securityGroup:SecurityGroup", named("EdgeGroup")).inputs;
    expect(group["ingress"] ?? []).toEqual([]);
    const rules = allOf(stack, "vpc/securityGroupIngressRule:SecurityGroupIngressRule").map(
      ({ inputs }) => inputs,
    );
    expect(rules.map((rule) => [rule["fromPort"], rule["toPort"], rule["ipProtocol"]])).toEqual([
      [2525, 2525, "tcp"],
      [8081, 8081, "tcp"],
    ]);
    for (const rule of rules) {
      expect(rule).toMatchObject({
        securityGroupId: "EdgeGroup-id",
        referencedSecurityGroupId: "EdgeLoadBalancerSecurityGroup-id",
      });
      expect(rule["cidrIpv4"] ?? rule["cidrIpv6"] ?? null).toBe(null);
    }
    expect(
      listAt(edgeContainer(stack), "portMappings").map((mapping) => at(mapping, "containerPort")),
    ).toEqual([2525, 8081]);
  },
  "the load balancer reaches nothing but the edges' two ports": (stack) => {
    const group = onlyOne(
      stack,
      "ec2/securityGroup:SecurityGroup",
      named("EdgeLoadBalancerSecurityGroup"),
    ).inputs;
    const cidr = at(onlyOne(stack, "ec2/vpc:Vpc").inputs, "cidrBlock");
    expect(
      listAt(group, "egress").map((rule) => [
        at(rule, "fromPort"),
        at(rule, "toPort"),
        at(rule, "cidrBlocks"),
      ]),
    ).toEqual([
      [2525, 2525, [cidr]],
      [8081, 8081, [cidr]],
    ]);
  },
  "the network's default group admits nothing": (stack) => {
    expect(onlyOne(stack, "ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs).toMatchObject({
      ingress: [],
      egress: [],
    });
  },
  "the load balancer forgets no connection before the edge ends it": (stack) => {
    const { limits } = parseConfig(withoutSst(edgeEnvironment(stack)), { cwd: "/app", hostName: null });
    const listener = onlyOne(stack, "lb/listener:Listener").inputs;
    const idleSeconds = Number(at(listener, "tcpIdleTimeoutSeconds"));
    expect(idleSeconds * 1000).toBeGreaterThan(longestSilenceMs(limits));
    // AWS takes 60 to 6000.
    expect(idleSeconds).toBeLessThanOrEqual(6_000);
  },
  "an edge gets mail while its /ready answers 200": (stack) => {
    expect(at(target(stack), "healthCheck")).toMatchObject({
      protocol: "HTTP",
      port: "8081",
      path: "/ready",
      matcher: "200",
      healthyThreshold: 2,
      unhealthyThreshold: 2,
      interval: 10,
      timeout: 6,
    });
  },
  "an edge is replaced when it does not live, never because it is not ready": (stack) => {
    const command = listAt(edgeContainer(stack), "healthCheck", "command");
    expect(command).toEqual(["CMD", "bash", "/app/check-url.sh", "http://127.0.0.1:8081/live"]);
    const image = stack.resources.find(({ type }) => type === "docker-build:index:Image")?.inputs;
    expect(readFileSync(textAt(image, "dockerfile", "location"), "utf8")).toContain(" /app/check-url.sh\n");
    expect(at(service(stack), "healthCheckGracePeriodSeconds")).toBe(180);
  },
  "an edge at full load is not replaced for a late answer": (stack) => {
    const { interval, timeout, retries, startPeriod } = edgeContainer(stack)["healthCheck"] as Record<
      string,
      number
    >;
    expect({ interval, timeout, retries, startPeriod }).toEqual({
      interval: 30,
      timeout: 20,
      retries: 5,
      startPeriod: 60,
    });
  },
  "transactions may end before an edge is killed": (stack) => {
    const killsAfter = Number(at(edgeContainer(stack), "stopTimeout"));
    const limits: unknown = JSON.parse(edgeEnvironment(stack)["LIMITS"] ?? "{}");
    const drainSeconds = Number(at(limits, "drainMs")) / 1000;
    expect(killsAfter).toBeLessThanOrEqual(FARGATE_KILLS_AFTER_SECONDS);
    expect(drainSeconds + AFTER_DRAIN_SECONDS).toBeLessThanOrEqual(killsAfter);
    // More than the default: transactions in flight carry mail.
    expect(drainSeconds).toBeGreaterThan(30);
    expect(at(target(stack), "connectionTermination")).toBe(false);
  },
  "an edge takes the connections that the load balancer still sends after its deregistration": (stack) => {
    // About two minutes, whatever the delay; 300 is AWS's default, and a deployment waits for all of it.
    const delay = Number(at(target(stack), "deregistrationDelay"));
    expect(delay).toBeGreaterThanOrEqual(180);
    expect(delay).toBeLessThanOrEqual(300);
    const limits: unknown = JSON.parse(edgeEnvironment(stack)["LIMITS"] ?? "{}");
    const acceptSeconds = Number(at(limits, "acceptAfterTermMs")) / 1000;
    expect(acceptSeconds).toBeGreaterThanOrEqual(60);
    // What is in flight at the end of it has as long as outside of AWS.
    const drainSeconds = Number(at(limits, "drainMs")) / 1000;
    expect(drainSeconds - acceptSeconds).toBeGreaterThanOrEqual(DEFAULT_LIMITS.drainMs / 1000);
  },
  "sessions of an edge that is not ready go on until it ends": (stack) => {
    const killsAfter = Number(at(edgeContainer(stack), "stopTimeout"));
    expect(at(target(stack), "targetHealthStates")).toEqual([
      { enableUnhealthyConnectionTermination: false, unhealthyDrainingInterval: killsAfter },
    ]);
  },
  "new edges are there before old ones go, and a version that does not start is taken back": (stack) => {
    expect(service(stack)).toMatchObject({
      deploymentMinimumHealthyPercent: 100,
      deploymentMaximumPercent: 200,
      deploymentCircuitBreaker: { enable: true, rollback: true },
      waitForSteadyState: true,
    });
  },
  "an edge runs without rights in a file system that it cannot write, but for /tmp": (stack) => {
    expect(edgeContainer(stack)).toMatchObject({
      user: "1000",
      readonlyRootFilesystem: true,
      pseudoTerminal: false,
      mountPoints: [{ sourceVolume: "tmp", containerPath: "/tmp", readOnly: false }],
      linuxParameters: { capabilities: { drop: ["ALL"] } },
      ulimits: [{ name: "nofile", softLimit: 65_535, hardLimit: 65_535 }],
    });
    expect(at(edgeContainer(stack), "privileged") ?? false).toBe(false);
    expect(listAt(task(stack), "volumes")).toEqual([{ name: "tmp" }]);
    expect(edgeEnvironment(stack)["DATA_DIR"]).toMatch(/^\/tmp\//u);
  },
  "the image is made for how it is run": (stack) => {
    const image = stack.resources.find(({ type }) => type === "docker-build:index:Image")?.inputs;
    const path = textAt(image, "dockerfile", "location");
    const lines = readFileSync(path, "utf8").split("\n");
    // ECS gives a volume to root alone, unless the image declares one there: then it takes over that folder's
    // rights.
    expect(lines).toContain('VOLUME ["/tmp"]');
    expect(lines.some((line) => line.startsWith("USER 1000"))).toBe(true);
    // A second init would only warn that it is not the first.
    expect(lines.filter((line) => line.startsWith("ENTRYPOINT")).join("")).toContain("tini");
    expect(edgeContainer(stack)).toMatchObject({ linuxParameters: { initProcessEnabled: false } });
    // SST writes into the file where it finds no such line.
    expect(readFileSync(`${path}.dockerignore`, "utf8").split("\n")).toContain(".sst");
  },
  "edges are ARM64 on Fargate, not on spot": (stack) => {
    expect(task(stack)).toMatchObject({
      requiresCompatibilities: ["FARGATE"],
      networkMode: "awsvpc",
      runtimePlatform: { cpuArchitecture: "ARM64", operatingSystemFamily: "LINUX" },
    });
    expect(at(service(stack), "capacityProviderStrategies")).toEqual([
      { capacityProvider: "FARGATE", base: 1, weight: 1 },
    ]);
    const image = stack.resources.find(({ type }) => type === "docker-build:index:Image");
    expect(image?.inputs["platforms"]).toEqual(["linux/arm64"]);
    expect(at(image?.inputs, "dockerfile", "location")).toMatch(/\/worker\/Dockerfile$/u);
  },
  "edges and load balancer are in two zones at least, in production in three": (stack) => {
    const zones = isProduction(stack) ? 3 : 2;
    const subnets = allOf(stack, "ec2/subnet:Subnet").filter(({ name }) => name.includes("Public"));
    expect(new Set(subnets.map(({ inputs }) => inputs["availabilityZone"]))).toHaveLength(zones);
    const ids = subnets.map(({ name }) => `${name}-id`);
    expect(at(service(stack), "networkConfiguration", "subnets")).toEqual(ids);
    expect(listAt(balancer(stack), "subnetMappings").map((mapping) => at(mapping, "subnetId"))).toEqual(ids);
    expect(balancer(stack)["enableCrossZoneLoadBalancing"]).toBe(true);
  },
  "the load balancer has addresses that stay": (stack) => {
    const addresses = allOf(stack, "ec2/eip:Eip");
    expect(listAt(balancer(stack), "subnetMappings").map((mapping) => at(mapping, "allocationId"))).toEqual(
      addresses.map(({ name }) => `${name}-id`),
    );
    expect(balancer(stack)["subnets"]).toBe(undefined);
    expect(addresses.map(({ isProtected }) => isProtected)).toEqual(addresses.map(() => isProduction(stack)));
    expect(balancer(stack)["enableDeletionProtection"]).toBe(isProduction(stack));
  },
  "edges become more under load, and never less than asked for": (stack) => {
    const [least, most] = isProduction(stack) ? [2, 8] : [1, 1];
    expect(service(stack)["desiredCount"]).toBe(least);
    expect(onlyOne(stack, "appautoscaling/target:Target").inputs).toMatchObject({
      minCapacity: least,
      maxCapacity: most,
    });
    const policies = allOf(stack, "appautoscaling/policy:Policy").map(({ inputs }) => [
      at(
        inputs,
        "targetTrackingScalingPolicyConfiguration",
        "predefinedMetricSpecification",
        "predefinedMetricType",
      ),
      at(inputs, "targetTrackingScalingPolicyConfiguration", "targetValue"),
    ]);
    // Connections, the third, are looked at in checks/alarms.ts.
    expect(Object.fromEntries(policies.filter(([type]) => type !== undefined))).toEqual({
      ECSServiceAverageCPUUtilization: 60,
      ECSServiceAverageMemoryUtilization: 75,
    });
  },
  "table and buckets are reached without the internet": (stack) => {
    const services = allOf(stack, "ec2/vpcEndpoint:VpcEndpoint").map(({ inputs }) => inputs);
    expect(services.map((endpoint) => endpoint["serviceName"])).toEqual([
      "com.amazonaws.eu-central-1.dynamodb",
      "com.amazonaws.eu-central-1.s3",
    ]);
    const tables = allOf(stack, "ec2/routeTable:RouteTable").filter(({ name }) => name.includes("Public"));
    for (const endpoint of services) {
      expect(endpoint["vpcEndpointType"]).toBe("Gateway");
      expect(endpoint["routeTableIds"]).toEqual(tables.map(({ name }) => `${name}-id`));
    }
  },
  "an edge goes on when its log cannot be delivered": (stack) => {
    expect(at(edgeContainer(stack), "logConfiguration")).toMatchObject({
      logDriver: "awslogs",
      options: { mode: "non-blocking", "max-buffer-size": "10m" },
    });
  },
  "logs of edges are kept for a year": (stack) => {
    const group = onlyOne(stack, "cloudwatch/logGroup:LogGroup", ({ name }) =>
      name.startsWith("EdgeLogGroup"),
    );
    expect(group.inputs).toMatchObject({ name: `/postern/${stack.app.stage}/edge`, retentionInDays: 365 });
    expect(textAt(edgeContainer(stack), "logConfiguration", "options", "awslogs-group")).toBe(
      group.inputs["name"],
    );
  },
};
