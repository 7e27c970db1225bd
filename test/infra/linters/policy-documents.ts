import { allOf, at, listAt, textAt } from "../checks/stack-reader.ts";
import { ACCOUNT } from "../harness/engine.ts";
import type { Resource, Stack } from "../harness/stack.ts";

export interface PolicyDocument {
  readonly name: string;
  readonly kind: "identity" | "resource" | "trust";
  readonly document: object;
}

type Members = Readonly<Record<string, unknown>>;

/** Resources with a policy of their own, by the input that holds it. */
const WITH_POLICY: Readonly<
  Record<string, { readonly input: string; readonly kind: PolicyDocument["kind"] }>
> = {
  "iam/policy:Policy": { input: "policy", kind: "identity" },
  "iam/rolePolicy:RolePolicy": { input: "policy", kind: "identity" },
  "kms/key:Key": { input: "policy", kind: "resource" },
  "s3/bucketPolicy:BucketPolicy": { input: "policy", kind: "resource" },
  "sns/topicPolicy:TopicPolicy": { input: "policy", kind: "resource" },
  "sqs/queuePolicy:QueuePolicy": { input: "policy", kind: "resource" },
};

/** Every policy document of a stack: of roles, of resources, and of who may take a role. */
export const policyDocuments = (stack: Stack): readonly PolicyDocument[] => [
  ...allOf(stack, "iam/role:Role").flatMap(ofRole),
  ...Object.entries(WITH_POLICY).flatMap(([type, { input, kind }]) =>
    allOf(stack, type)
      .filter(({ inputs }) => inputs[input] !== undefined)
      .map(({ name, inputs }) => ({ name, kind, document: rendered(inputs[input]) })),
  ),
];

function ofRole({ name, inputs }: Resource): readonly PolicyDocument[] {
  const own = inputs["inlinePolicies"] === undefined ? [] : listAt(inputs, "inlinePolicies");
  // A trust policy is about its own role and names no resource; parliament wants one everywhere.
  // A role without a name gets one of Pulumi's when it is made.
  const Resource = `arn:aws:iam::${ACCOUNT}:role/${inputs["name"] === undefined ? name : textAt(inputs, "name")}`;
  return [
    { name: `trust of ${name}`, kind: "trust", document: rendered(inputs["assumeRolePolicy"], { Resource }) },
    ...own.map((policy) => ({
      name: `${name} ${textAt(policy, "name")}`,
      kind: "identity" as const,
      document: rendered(at(policy, "policy")),
    })),
  ];
}

/**
 * As the AWS provider renders it, where the harness keeps lists: one value as a text, any principal as `*`.
 */
function rendered(policy: unknown, added: Members = {}): object {
  const document = (typeof policy === "string" ? JSON.parse(policy) : policy) as Members;
  const statements = listAt(document, "Statement").map((statement) => {
    const members = { ...(single(statement) as Members), ...added };
    return at(members, "Principal", "*") === "*" ? { ...members, Principal: "*" } : members;
  });
  return { ...document, Statement: statements };
}

function single(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 1 ? single(value[0]) : value.map(single);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, single(each)]));
}
