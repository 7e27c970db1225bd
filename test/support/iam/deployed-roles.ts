import { allOf, at, listAt, textAt } from "../../infra/checks/stack-reader.ts";
import type { Resource, Stack } from "../../infra/harness/stack.ts";
import type { Encryption } from "./asked-of-s3.ts";
import { type Ask, type Grant, type Rights, rightsOf } from "./judge.ts";
import { MANAGED_POLICIES } from "./managed-policies.ts";
import { parsePolicy, type Statement, Unmapped } from "./policy.ts";

/** A role of a stack, as IAM judges it. */
export interface DeployedRole {
  readonly rights: Rights;
  /** Grants of AWS's own policies among them: what infra/ cannot take apart. */
  readonly managed: ReadonlySet<Grant>;
  readonly trust: readonly Statement[];
}

const ROLE = "iam/role:Role";
const MANAGED_ARN = "arn:aws:iam::aws:policy/";

/** Roles of a stack by their names in infra/. @throws Unmapped */
export function deployedRoles(stack: Stack): ReadonlyMap<string, DeployedRole> {
  const ofResources = allOf(stack, "s3/bucketPolicy:BucketPolicy").flatMap(({ inputs }) =>
    parsePolicy(inputs["policy"]),
  );
  checkKeyPolicies(stack);
  return new Map(
    allOf(stack, ROLE).map(({ name, inputs }) => {
      const own = lists(inputs["inlinePolicies"]).flatMap((policy) => parsePolicy(at(policy, "policy")));
      const managed = lists(inputs["managedPolicyArns"]).flatMap((arn) => managedPolicy(String(arn)));
      const rights = rightsOf([...own, ...managed], ofResources);
      const ofManaged = new Set(rights.grants.filter(({ statement }) => managed.includes(statement)));
      return [name, { rights, managed: ofManaged, trust: parsePolicy(inputs["assumeRolePolicy"]) }];
    }),
  );
}

const lists = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function managedPolicy(arn: string): readonly Statement[] {
  const actions = MANAGED_POLICIES[arn.replace(MANAGED_ARN, "")];
  if (actions === undefined) throw new Unmapped(`AWS's policy ${arn}`);
  return [{ effect: "Allow", principals: [], actions, resources: ["*"], conditions: [] }];
}

/** Without a key policy a key leaves the judgement to IAM; another policy would decide here too. */
function checkKeyPolicies(stack: Stack): void {
  for (const { name, inputs } of [...allOf(stack, "kms/key:Key"), ...allOf(stack, "kms/keyPolicy:KeyPolicy")])
    if (inputs["policy"] !== undefined) throw new Unmapped(`the policy of the key ${name}`);
}

/** How each bucket encrypts what comes without a word of it, by the bucket's name. */
export const bucketEncryption = (stack: Stack): ReadonlyMap<string, Encryption> =>
  new Map(
    allOf(stack, "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration").map(
      ({ inputs }) => {
        const keyArn = textAt(inputs, "rules", 0, "applyServerSideEncryptionByDefault", "kmsMasterKeyId");
        const hasBucketKey = at(inputs, "rules", 0, "bucketKeyEnabled") === true;
        return [textAt(inputs, "bucket"), { keyArn, hasBucketKey }];
      },
    ),
  );

/**
 * A service of AWS that takes a role, and what it asks for in the role's name before or beside our programs.
 */
export interface ServiceUse {
  readonly role: string;
  readonly service: string;
  readonly asks: readonly Ask[];
}

export function serviceUses(stack: Stack): readonly ServiceUse[] {
  const names = new Map(
    allOf(stack, ROLE).map(({ name, inputs }) => [textAt(inputs, "name"), name] as const),
  );
  const roleOf = (arn: string): string => {
    const role = names.get(arn.slice(arn.indexOf(":role/") + ":role/".length));
    if (role === undefined) throw new Unmapped(`the role ${arn}`);
    return role;
  };
  return [
    ...allOf(stack, "scheduler/schedule:Schedule").map(({ inputs }) => ({
      role: roleOf(textAt(inputs, "target", "roleArn")),
      service: "scheduler.amazonaws.com",
      asks: [asked("lambda:InvokeFunction", textAt(inputs, "target", "arn"))],
    })),
    ...allOf(stack, "lambda/function:Function").map(({ inputs }) => ({
      role: roleOf(textAt(inputs, "role")),
      service: "lambda.amazonaws.com",
      asks: logAsks(textAt(inputs, "loggingConfig", "logGroup")),
    })),
    ...allOf(stack, "ecs/taskDefinition:TaskDefinition").flatMap((task) => [
      { role: roleOf(textAt(task.inputs, "taskRoleArn")), service: "ecs-tasks.amazonaws.com", asks: [] },
      {
        role: roleOf(textAt(task.inputs, "executionRoleArn")),
        service: "ecs-tasks.amazonaws.com",
        asks: agentAsks(task),
      },
    ]),
  ];
}

const asked = (action: string, resource: string): Ask => ({ action, resource, context: {} });

const logAsks = (group: string): readonly Ask[] =>
  ["logs:CreateLogStream", "logs:PutLogEvents"].map((action) =>
    asked(action, `arn:aws:logs:::log-group:${group}`),
  );

/** What ECS's agent does before the container runs. */
function agentAsks({ inputs }: Resource): readonly Ask[] {
  const containers = JSON.parse(textAt(inputs, "containerDefinitions")) as readonly unknown[];
  return containers.flatMap((container) => [
    asked("ecr:GetAuthorizationToken", "*"),
    ...["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"].map((action) =>
      asked(action, `arn:aws:ecr:::repository/${textAt(container, "image").replace(/^[^/]+\/|@.*$/gu, "")}`),
    ),
    ...logAsks(textAt(container, "logConfiguration", "options", "awslogs-group")),
    ...(at(container, "secrets") === undefined ? [] : listAt(container, "secrets")).map((secret) =>
      asked("ssm:GetParameters", textAt(secret, "valueFrom")),
    ),
  ]);
}
