import { createRequire } from "node:module";
import { join } from "node:path";
import { PLATFORM } from "./program.ts";
import type { Resource, Stack } from "./stack.ts";

/**
 * Stands in for Pulumi's engine and the AWS provider: takes every resource down, and answers with what AWS
 * would have chosen (ARNs, names). It judges nothing: no quotas, no IAM, no plan.
 */

export const ACCOUNT = "123456789012";

type Inputs = Readonly<Record<string, unknown>>;

interface Mocks {
  readonly newResource: (args: {
    readonly type: string;
    readonly name: string;
    readonly inputs: Inputs;
    readonly id?: string;
  }) => {
    readonly id: string;
    readonly state: Inputs;
  };
  readonly call: (args: { readonly token: string; readonly inputs: Inputs }) => Inputs;
}

/** As much of Pulumi as is used here; it is not among our packages. */
interface Pulumi {
  readonly runtime: {
    setAllConfig(config: Readonly<Record<string, string>>): void;
    setMocks(mocks: Mocks, project: string, stack: string, preview: boolean): Promise<void>;
    runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
    waitForRPCs?(): Promise<void>;
  };
  output(value: unknown): { apply(use: (value: unknown) => void): void };
}

interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProtect(): boolean | undefined;
  getRetainondelete(): boolean | undefined;
  /** URNs: what `dependsOn` names, and what any input was made of. */
  getDependenciesList(): readonly string[];
}

interface MockMonitor {
  registerResource(request: RegisterRequest, done: unknown): unknown;
  newUrn(parent: string, type: string, name: string): string;
}

export interface Engine {
  readonly resources: readonly Resource[];
  /** Runs the program and all that it starts; resolves to its outputs. */
  run(program: () => Promise<unknown>): Promise<unknown>;
}

export interface World {
  readonly region: string;
  /** What the parameter store holds, by name. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly impairedZone: string | null;
  /**
   * The provider answers as for a service that ECS has rolled back: steady, with the task definition of
   * before.
   */
  readonly rollsBack: boolean;
}

export async function startEngine({ name, stage }: Stack["app"], world: World): Promise<Engine> {
  const { region } = world;
  const require = createRequire(join(PLATFORM, "package.json"));
  // The platform's own copy: two Pulumis would not know of each other's resources.
  const pulumi = require("@pulumi/pulumi") as Pulumi;
  const { MockMonitor: monitor } = require("@pulumi/pulumi/runtime/mocks") as {
    readonly MockMonitor: { readonly prototype: MockMonitor };
  };
  const requests = new Map<string, Requested>();
  patchMonitor(monitor.prototype, { name, stage }, requests);
  const resources: Resource[] = [];
  pulumi.runtime.setAllConfig({ "aws:region": region });
  const newResource: Mocks["newResource"] = ({ type, name: resource, inputs, id }) => {
    const known = requests.get(`${type} ${resource}`) ?? READ_ONLY;
    resources.push({ type, name: resource, inputs: withoutSecrets(inputs) as Inputs, ...known });
    const state = stateOf({ type, name: resource, inputs, id: id || undefined }, region);
    const isRolledBack = world.rollsBack && type === "aws:ecs/service:Service";
    return {
      id: id || (textAt(inputs, "id") ?? `${resource}-id`),
      state: isRolledBack ? { ...state, taskDefinition: "the release before" } : state,
    };
  };
  await pulumi.runtime.setMocks(
    { newResource, call: ({ token, inputs }) => dataOf(token, inputs, world) },
    name,
    stage,
    false,
  );
  const run = async (program: () => Promise<unknown>): Promise<unknown> => {
    const result = await pulumi.runtime.runInPulumiStack(program);
    await untilQuiet(pulumi, resources);
    return new Promise((resolve) => pulumi.output(result).apply(resolve));
  };
  return { resources, run };
}

/** What a request to register a resource says beside its inputs. */
type Requested = Pick<Resource, "urn" | "dependencies" | "isProtected" | "isRetained">;

/** A resource that is read and not registered, such as a table that was restored. */
const READ_ONLY: Requested = { urn: "", dependencies: [], isProtected: false, isRetained: false };

/**
 * The mock monitor puts the stack's type into the name of every child, where the engine leaves it out and SST
 * reads it; and it does not tell what a resource is protected from and waits for.
 */
function patchMonitor(
  monitor: MockMonitor,
  { name, stage }: Pick<Stack["app"], "name" | "stage">,
  requests: Map<string, Requested>,
): void {
  const { registerResource } = monitor;
  monitor.newUrn = (parent, type, resource) => {
    const parentType = parent === "" ? "" : (parent.split("::")[2]?.split("$").at(-1) ?? "");
    const isTop = parentType === "" || parentType === "pulumi:pulumi:Stack";
    return `urn:pulumi:${[stage, name, isTop ? type : `${parentType}$${type}`, resource].join("::")}`;
  };
  monitor.registerResource = function register(this: MockMonitor, request, done) {
    requests.set(`${request.getType()} ${request.getName()}`, {
      urn: this.newUrn(request.getParent(), request.getType(), request.getName()),
      dependencies: [...request.getDependenciesList()],
      isProtected: request.getProtect() === true,
      isRetained: request.getRetainondelete() === true,
    });
    return registerResource.call(this, request, done);
  };
}

const QUIET_ROUNDS = 3;
const ROUND_MS = 50;

/** Resources are registered inside `apply` too, which is not awaited. */
async function untilQuiet(pulumi: Pulumi, resources: readonly Resource[]): Promise<void> {
  for (let quiet = 0, before = -1; quiet < QUIET_ROUNDS; ) {
    await pulumi.runtime.waitForRPCs?.();
    await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
    quiet = resources.length === before ? quiet + 1 : 0;
    before = resources.length;
  }
}

/** Pulumi's signature of a special value, and that of a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** A registry's password makes a secret of every text that it is part of. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null || value.constructor !== Object) return value;
  if (SIGNATURE in value && value[SIGNATURE] === SECRET && "value" in value)
    return withoutSecrets(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutSecrets(each)]));
}

function textAt(inputs: Inputs, key: string): string | undefined {
  const value = inputs[key];
  return typeof value === "string" ? value : undefined;
}

interface Asked {
  readonly type: string;
  readonly name: string;
  readonly inputs: Inputs;
  /** Of an existing resource that is only read. */
  readonly id?: string | undefined;
}

/** What the provider answers: the inputs, and what AWS adds to them. */
function stateOf({ type, name, inputs, id }: Asked, home: string): Inputs {
  const region = textAt(inputs, "region") ?? home;
  const physical = textAt(inputs, "name") ?? textAt(inputs, "bucket") ?? id ?? name;
  const arn = (service: string, path: string): string => `arn:aws:${service}:${region}:${ACCOUNT}:${path}`;
  const added: Readonly<Record<string, Inputs>> = {
    "aws:apigatewayv2/api:Api": {
      apiEndpoint: `https://${name}.execute-api.${region}.amazonaws.com`,
      executionArn: arn("execute-api", name),
    },
    "aws:dynamodb/table:Table": { arn: arn("dynamodb", `table/${physical}`) },
    "docker-build:index:Image": { digest: `sha256:${"0".repeat(64)}`, ref: name },
    "aws:ec2/eip:Eip": { publicIp: `192.0.2.${name.replaceAll(/\D/gu, "")}`, allocationId: `${name}-id` },
    "aws:iam/role:Role": { arn: `arn:aws:iam::${ACCOUNT}:role/${physical}` },
    "aws:kms/key:Key": { arn: arn("kms", `key/${name}`), keyId: name },
    "aws:lambda/function:Function": {
      arn: arn("lambda", `function:${physical}`),
      qualifiedArn: arn("lambda", `function:${physical}:1`),
      version: "1",
    },
    "aws:lb/loadBalancer:LoadBalancer": {
      arn: arn("elasticloadbalancing", `loadbalancer/net/${physical}/0`),
      arnSuffix: `net/${physical}/0`,
      dnsName: `${physical}.elb.${region}.amazonaws.com`,
      zoneId: "Z0",
    },
    "aws:lb/targetGroup:TargetGroup": {
      arn: arn("elasticloadbalancing", `targetgroup/${name}/0`),
      arnSuffix: `targetgroup/${name}/0`,
    },
    "aws:s3/bucket:Bucket": {
      arn: `arn:aws:s3:::${physical}`,
      bucket: physical,
      bucketDomainName: `${physical}.s3.amazonaws.com`,
    },
    "aws:sns/topic:Topic": { arn: arn("sns", physical) },
    "aws:apigatewayv2/domainName:DomainName": {
      domainNameConfiguration: {
        targetDomainName: `${name}.execute-api.${region}.amazonaws.com`,
        hostedZoneId: "Z0",
      },
    },
    "aws:acm/certificate:Certificate": {
      arn: arn("acm", `certificate/${name}`),
      domainValidationOptions: [
        {
          domainName: inputs["domainName"],
          resourceRecordName: "_r.example.",
          resourceRecordType: "CNAME",
          resourceRecordValue: "_v.example.",
        },
      ],
    },
    "random:index/randomBytes:RandomBytes": { base64: Buffer.alloc(32).toString("base64") },
    // SST's own providers, such as the one that looks a zone of Route 53 up.
    "pulumi-nodejs:dynamic:Resource": { zoneId: "Z0" },
  };
  return {
    name: physical,
    ...inputs,
    ...(added[type] ?? { arn: inputs["arn"] ?? arn("mock", `${type}/${physical}`) }),
  };
}

/** Data sources. One that is not here is an error: what it would answer decides something. */
function dataOf(token: string, inputs: Inputs, { region, parameters, impairedZone }: World): Inputs {
  switch (token) {
    case "aws:index/getRegion:getRegion":
      return { region, name: region, id: region };
    case "aws:index/getPartition:getPartition":
      return { partition: "aws", dnsSuffix: "amazonaws.com" };
    case "aws:index/getCallerIdentity:getCallerIdentity":
      return { accountId: ACCOUNT, arn: `arn:aws:iam::${ACCOUNT}:user/test` };
    case "aws:index/getAvailabilityZones:getAvailabilityZones":
      return {
        names: ["a", "b", "c"]
          .map((zone) => region + zone)
          .filter((zone) => inputs["state"] !== "available" || zone !== impairedZone),
        zoneIds: [],
      };
    case "aws:ssm/getParametersByPath:getParametersByPath": {
      const names = Object.keys(parameters).filter((name) =>
        name.startsWith(`${textAt(inputs, "path") ?? ""}/`),
      );
      return { ...inputs, names, values: names.map((name) => parameters[name]) };
    }
    case "aws:iam/getPolicyDocument:getPolicyDocument":
      return { ...inputs, json: policyDocument(inputs) };
    case "aws:ecr/getAuthorizationToken:getAuthorizationToken":
      return {
        proxyEndpoint: `https://${ACCOUNT}.dkr.ecr.${region}.amazonaws.com`,
        userName: "AWS",
        password: "mock",
      };
    default:
      throw new Error(`the data source ${token} has no answer here: ${JSON.stringify(inputs)}`);
  }
}

interface StatementInput {
  readonly sid?: string;
  readonly effect?: string;
  readonly actions?: readonly string[];
  readonly resources?: readonly string[];
  readonly principals?: readonly { readonly type: string; readonly identifiers: readonly string[] }[];
  readonly conditions?: readonly {
    readonly test: string;
    readonly variable: string;
    readonly values: readonly string[];
  }[];
}

/** The JSON that the provider's data source renders. Lists stay lists, which AWS takes too. */
function policyDocument(inputs: Inputs): string {
  const { statements = [] } = inputs as { readonly statements?: readonly StatementInput[] };
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: statements.map(
      ({ sid, effect = "Allow", actions, resources, principals, conditions = [] }) => ({
        ...(sid === undefined ? {} : { Sid: sid }),
        Effect: effect,
        ...(principals === undefined
          ? {}
          : {
              Principal: Object.fromEntries(principals.map(({ type, identifiers }) => [type, identifiers])),
            }),
        Action: actions,
        Resource: resources,
        ...(conditions.length === 0 ? {} : { Condition: conditionsOf(conditions) }),
      }),
    ),
  });
}

function conditionsOf(
  conditions: NonNullable<StatementInput["conditions"]>,
): Record<string, Record<string, readonly string[]>> {
  const byTest: Record<string, Record<string, readonly string[]>> = {};
  for (const { test, variable, values } of conditions) byTest[test] = { ...byTest[test], [variable]: values };
  return byTest;
}
