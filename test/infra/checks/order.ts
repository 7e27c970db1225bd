import { expect } from "vitest";
import type { Resource, Stack } from "../harness/stack.ts";
import { allOf, at, type Checks, listAt, textAt } from "./stack-reader.ts";

/**
 * URNs of all that exists before a resource is created: Pulumi waits for dependencies of dependencies too.
 */
function existingBefore(stack: Stack): (resource: Resource) => ReadonlySet<string> {
  const direct = new Map(stack.resources.map(({ urn, dependencies }) => [urn, dependencies]));
  const known = new Map<string, ReadonlySet<string>>();
  const before = (urn: string): ReadonlySet<string> => {
    const found = known.get(urn);
    if (found !== undefined) return found;
    const urns = new Set<string>();
    for (const dependency of direct.get(urn) ?? []) {
      urns.add(dependency);
      for (const further of before(dependency)) urns.add(further);
    }
    known.set(urn, urns);
    return urns;
  };
  return ({ urn }) => before(urn);
}

interface Order {
  /** What is created later, and what must exist before it. */
  readonly later: string;
  readonly earlier: string;
  /** Whether the two belong together. */
  readonly isPair: (later: Resource, earlier: Resource) => boolean;
}

const idOf = ({ name }: Resource): string => `${name}-id`;
const sameInput =
  (...keys: readonly string[]) =>
  (later: Resource, earlier: Resource): boolean =>
    keys.every((key) => later.inputs[key] !== undefined && later.inputs[key] === earlier.inputs[key]);

const targetGroupsOf = ({ inputs }: Resource): readonly unknown[] =>
  listAt(inputs, "loadBalancers").map((balancer) => at(balancer, "targetGroupArn"));
const groupsOf = ({ inputs }: Resource): readonly unknown[] =>
  listAt(inputs, "networkConfiguration", "securityGroups");
const subnetsOf = ({ inputs }: Resource): readonly unknown[] =>
  listAt(inputs, "networkConfiguration", "subnets");

/**
 * Orders that AWS asks for and that no input of the later resource shows: from AWS's pages of each service,
 * and the provider's page of each resource.
 */
const ORDERS: Readonly<Record<string, Order>> = {
  // CreateService: "The target group … does not have an associated load balancer".
  "a service is created after the listener of its target group": {
    later: "ecs/service:Service",
    earlier: "lb/listener:Listener",
    isPair: (service, { inputs }) =>
      targetGroupsOf(service).includes(at(inputs, "defaultActions", 0, "targetGroupArn")),
  },
  // CreateService: "The capacity provider strategy cannot contain a capacity provider that is not
  // associated".
  "a service is created after its cluster has its capacity providers": {
    later: "ecs/service:Service",
    earlier: "ecs/clusterCapacityProviders:ClusterCapacityProviders",
    isPair: ({ inputs }, { inputs: providers }) =>
      listAt(inputs, "capacityProviderStrategies").some((strategy) =>
        listAt(providers, "capacityProviders").includes(at(strategy, "capacityProvider")),
      ),
  },
  // A task that can neither fetch its image nor be asked for its health trips the deployment's circuit
  // breaker.
  "a service is created after the rules that admit its health checks": {
    later: "ecs/service:Service",
    earlier: "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    isPair: (service, { inputs }) => groupsOf(service).includes(inputs["securityGroupId"]),
  },
  "a service is created after the rule that lets it out": {
    later: "ecs/service:Service",
    earlier: "vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    isPair: (service, { inputs }) => groupsOf(service).includes(inputs["securityGroupId"]),
  },
  "a service is created after its subnets have a route": {
    later: "ecs/service:Service",
    earlier: "ec2/routeTableAssociation:RouteTableAssociation",
    isPair: (service, { inputs }) => subnetsOf(service).includes(inputs["subnetId"]),
  },
  // CreateLoadBalancer: "InvalidSubnet: VPC … has no internet gateway".
  "a load balancer is created after its network has an internet gateway": {
    later: "lb/loadBalancer:LoadBalancer",
    earlier: "ec2/internetGateway:InternetGateway",
    isPair: ({ inputs }) => inputs["internal"] === false,
  },
  // A policy and a block that change at once: OperationAborted.
  "a bucket's policy is set after its block of public access": {
    later: "s3/bucketPolicy:BucketPolicy",
    earlier: "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    isPair: sameInput("bucket"),
  },
  "a rule for noncurrent versions is set after a bucket has versions": {
    later: "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    earlier: "s3/bucketVersioning:BucketVersioning",
    isPair: sameInput("bucket"),
  },
  // The first events or requests would be refused.
  "events reach a function after it admits them": {
    later: "cloudwatch/eventTarget:EventTarget",
    earlier: "lambda/permission:Permission",
    isPair: (_, { inputs }) => inputs["principal"] === "events.amazonaws.com",
  },
  "requests reach a function after it admits them": {
    later: "apigatewayv2/integration:Integration",
    earlier: "lambda/permission:Permission",
    isPair: (integration, permission) =>
      permission.name === integration.name.replace(/Integration$/u, "Permissions"),
  },
};

/** Texts of all inputs, at any depth; JSON documents inside them stay texts. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

/**
 * What others may name a resource by: its id, and its physical name where that is more than a common word.
 */
function namesOf({ type, name, inputs }: Resource): readonly string[] {
  const physical = type === "aws:s3/bucket:Bucket" ? inputs["bucket"] : inputs["name"];
  const isTelling = typeof physical === "string" && /^(?:\/|postern-)/u.test(physical);
  return [idOf({ name } as Resource), ...(isTelling ? [physical] : [])];
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&");
const mentions = (text: string, name: string): boolean =>
  text.includes(name) && new RegExp(`(?<![\\w-])${escaped(name)}(?![\\w-])`, "u").test(text);

const expectOrder =
  ({ later, earlier, isPair }: Order) =>
  (stack: Stack): void => {
    const before = existingBefore(stack);
    for (const resource of allOf(stack, later)) {
      const pairs = allOf(stack, earlier).filter((each) => isPair(resource, each));
      expect(pairs, resource.name).not.toEqual([]);
      for (const { urn } of pairs) expect([...before(resource)], resource.name).toContain(urn);
    }
  };

export const ORDER_CHECKS: Checks = {
  "settings of a route are set after the route exists": (stack) => {
    const before = existingBefore(stack);
    const stages = allOf(stack, "apigatewayv2/stage:Stage");
    expect(stages).toHaveLength(1);
    for (const stage of stages) {
      const keys = listAt(stage.inputs, "routeSettings").map((setting) => textAt(setting, "routeKey"));
      const known = allOf(stack, "apigatewayv2/route:Route")
        .filter(({ urn }) => before(stage).has(urn))
        .filter(({ inputs }) => inputs["apiId"] === stage.inputs["apiId"])
        .map(({ inputs }) => inputs["routeKey"]);
      expect(known).toEqual(expect.arrayContaining(keys));
      expect(keys).not.toEqual([]);
    }
  },
  "nothing names a resource that may not exist yet": (stack) => {
    const before = existingBefore(stack);
    const registered = stack.resources.filter(({ type, urn }) => type.startsWith("aws:") && urn !== "");
    expect(registered.length).toBeGreaterThan(100);
    const early = registered.flatMap((resource) => {
      const texts = textsIn(resource.inputs);
      return registered
        .filter(({ urn }) => urn !== resource.urn && !before(resource).has(urn))
        .filter((other) => namesOf(other).some((name) => texts.some((text) => mentions(text, name))))
        .map((other) => `${resource.name} names ${other.name}`);
    });
    expect(early).toEqual([]);
  },
  ...Object.fromEntries(Object.entries(ORDERS).map(([rule, order]) => [rule, expectOrder(order)])),
};
