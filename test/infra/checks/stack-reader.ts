import type { Resource, Stack } from "../harness/stack.ts";

/** One thing that must hold of every stage, as a sentence and a function that throws where it does not. */
export type Checks = Readonly<Record<string, (stack: Stack) => void>>;

type Values = Readonly<Record<string, unknown>>;

export const isProduction = ({ app }: Stack): boolean => app.stage === "production";

/** `type` without its package, such as `s3/bucket:Bucket`. */
export const allOf = ({ resources }: Stack, type: string): readonly Resource[] =>
  resources.filter((resource) => resource.type === `aws:${type}`);

/** @throws Error when there is none, or more than one. */
export function onlyOne(
  stack: Stack,
  type: string,
  isIt: (resource: Resource) => boolean = () => true,
): Resource {
  const [found, ...more] = allOf(stack, type).filter(isIt);
  if (found === undefined || more.length > 0) {
    throw new Error(
      `one ${type} was expected, and there are ${
        allOf(stack, type)
          .map(({ name }) => name)
          .join(", ") || "none"
      }`,
    );
  }
  return found;
}

export const named = (name: string) => (resource: Resource) => resource.name === name;

/** A member of an object of inputs; undefined where there is none. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (held, key) => (typeof held === "object" && held !== null ? Reflect.get(held, String(key)) : undefined),
    value,
  );
}

export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  const text = at(value, ...path);
  if (typeof text !== "string") throw new TypeError(`${path.join(".")} is no text: ${JSON.stringify(text)}`);
  return text;
}

export function listAt(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const list = at(value, ...path);
  if (!Array.isArray(list)) throw new TypeError(`${path.join(".")} is no list: ${JSON.stringify(list)}`);
  return list;
}

export interface Statement {
  readonly effect: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly condition: Values;
}

const many = (value: unknown): readonly string[] => [value].flat().map(String);

/** What a policy document grants; documents come as text and as objects. */
export function statementsOf(policy: unknown): readonly Statement[] {
  const document: unknown = typeof policy === "string" ? JSON.parse(policy) : policy;
  return listAt(document, "Statement").map((statement) => ({
    effect: textAt(statement, "Effect"),
    actions: many(at(statement, "Action")),
    resources: many(at(statement, "Resource") ?? []),
    condition: (at(statement, "Condition") ?? {}) as Values,
  }));
}

export function inlineStatements(role: Resource): readonly Statement[] {
  const policies = role.inputs["inlinePolicies"];
  return Array.isArray(policies) ? policies.flatMap((policy) => statementsOf(at(policy, "policy"))) : [];
}

/** The edges' container, as ECS reads it. */
export function edgeContainer(stack: Stack): Values {
  const [container, ...more] = JSON.parse(
    textAt(onlyOne(stack, "ecs/taskDefinition:TaskDefinition").inputs, "containerDefinitions"),
  ) as readonly Values[];
  if (container === undefined || more.length > 0) throw new Error("one container was expected");
  return container;
}

/** What the edges' container starts with, without what ECS reads from parameters. */
export const edgeEnvironment = (stack: Stack): Readonly<Record<string, string>> =>
  Object.fromEntries(
    listAt(edgeContainer(stack), "environment").map((variable) => [
      textAt(variable, "name"),
      textAt(variable, "value"),
    ]),
  );

export const functionNamed = (stack: Stack, name: string): Resource =>
  onlyOne(stack, "lambda/function:Function", named(`${name}Function`));

export const functionEnvironment = (stack: Stack, name: string): Readonly<Record<string, string>> =>
  at(functionNamed(stack, name).inputs, "environment", "variables") as Readonly<Record<string, string>>;

/** How SST tells its own runtime of itself; our programs do not look. */
export const withoutSst = (environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("SST_")));
