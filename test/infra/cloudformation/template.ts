import { allOf } from "../checks/stack-reader.ts";
import type { Resource, Stack } from "../harness/stack.ts";
import { listOf, type Properties, propertiesOf, tagList } from "./property-rules.ts";
import { NOT_TRANSLATED, PARTS } from "./resource-parts.ts";
import { keySchema, type Translation, TRANSLATIONS } from "./resource-types.ts";

interface CloudFormationResource {
  readonly Type: string;
  readonly Properties: Properties;
}

export interface Template {
  readonly AWSTemplateFormatVersion: "2010-09-09";
  readonly Resources: Readonly<Record<string, CloudFormationResource>>;
}

const AWS = "aws:";

/** A type of the stack that is neither translated nor named with a reason. */
export class Untranslated extends Error {
  override readonly name = "Untranslated";
}

/** CloudFormation's logical names are letters and digits. */
const logicalName = (name: string): string => name.replaceAll(/[^A-Za-z0-9]/gu, "");

/**
 * The resources of a stack that AWS would make, as a CloudFormation template: for linters that know AWS's own
 * schemas. Nothing is deployed by it.
 *
 * @throws Untranslated
 */
export function templateOf(stack: Stack): Template {
  const ours = stack.resources.filter(({ type }) => type.startsWith(AWS));
  const unknown = [...new Set(ours.map(({ type }) => type.slice(AWS.length)))].filter(
    (type) => ![TRANSLATIONS, PARTS, NOT_TRANSLATED, SPLIT].some((table) => Object.hasOwn(table, type)),
  );
  if (unknown.length > 0) throw new Untranslated(unknown.join(", "));
  const resources = ours.flatMap((resource) => translated(stack, resource));
  const names = new Set(resources.map(([name]) => name));
  return {
    AWSTemplateFormatVersion: "2010-09-09",
    Resources: Object.fromEntries(
      resources.map(([name, { Type, Properties: properties }]) => [
        name,
        { Type, Properties: withReferences(properties, names) as Properties },
      ]),
    ),
  };
}

type Named = readonly [name: string, resource: CloudFormationResource];

function translated(stack: Stack, resource: Resource): readonly Named[] {
  const type = resource.type.slice(AWS.length);
  const name = logicalName(resource.name);
  const split = SPLIT[type];
  if (split !== undefined) return split(name, resource.inputs);
  const translation = TRANSLATIONS[type];
  if (translation === undefined) return [];
  const properties = merged([
    translation.added ?? {},
    ownProperties(resource.inputs, translation),
    ...combined(type, resource.inputs),
    ...partsOf(stack, resource),
  ]);
  return [[name, { Type: translation.type, Properties: properties }]];
}

const ownProperties = (inputs: Properties, { rules = {} }: Translation): Properties =>
  merged(
    Object.entries(inputs).map(([input, value]) =>
      // A template is of one region: which resources are in another is checked in standby.test.ts.
      propertiesOf({ [input]: value }, { tags: tagList, region: null, ...rules }),
    ),
  );

/** Later ones win; lists of attributes and inner objects are put together. */
function merged(parts: readonly Properties[]): Properties {
  const result: Record<string, unknown> = {};
  for (const part of parts)
    for (const [key, value] of Object.entries(part)) result[key] = together(result[key], value, key);
  return result;
}

function together(before: unknown, value: unknown, key: string): unknown {
  if (Array.isArray(before) && Array.isArray(value) && key.endsWith("Attributes"))
    return [...before, ...value];
  if (isPlain(before) && isPlain(value)) return { ...before, ...value };
  return value;
}

const isPlain = (value: unknown): value is Properties =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Properties that are made of several inputs. */
function combined(type: string, { hashKey, rangeKey }: Properties): readonly Properties[] {
  return type === "dynamodb/table:Table" ? [{ KeySchema: keySchema(hashKey, rangeKey) }] : [];
}

/** What the provider has as resources of their own and CloudFormation as properties of this one. */
function partsOf(stack: Stack, { type: full, name, inputs }: Resource): readonly Properties[] {
  const own = full.slice(AWS.length);
  const called = new Set([inputs["bucket"], inputs["name"], name]);
  return Object.entries(PARTS)
    .filter(([, { to }]) => to === own)
    .flatMap(([type, { of, properties }]) =>
      allOf(stack, type).flatMap((part) => (called.has(part.inputs[of]) ? [properties(part.inputs)] : [])),
    );
}

/** Types of which CloudFormation makes several resources. */
const SPLIT: Readonly<Record<string, (name: string, inputs: Properties) => readonly Named[]>> = {
  "ec2/internetGateway:InternetGateway": (name, { vpcId, tags }) => [
    [name, { Type: "AWS::EC2::InternetGateway", Properties: tagList(tags ?? {}) }],
    [
      `${name}Attachment`,
      {
        Type: "AWS::EC2::VPCGatewayAttachment",
        Properties: { VpcId: vpcId, InternetGatewayId: `${name}-id` },
      },
    ],
  ],
  "ec2/routeTable:RouteTable": (name, { vpcId, tags, routes }) => [
    [name, { Type: "AWS::EC2::RouteTable", Properties: { VpcId: vpcId, ...tagList(tags ?? {}) } }],
    ...listOf(routes ?? []).map(
      ({ cidrBlock, gatewayId, natGatewayId }, index): Named => [
        `${name}Route${index}`,
        {
          Type: "AWS::EC2::Route",
          Properties: {
            RouteTableId: `${name}-id`,
            DestinationCidrBlock: cidrBlock,
            ...(gatewayId === undefined ? {} : { GatewayId: gatewayId }),
            ...(natGatewayId === undefined ? {} : { NatGatewayId: natGatewayId }),
          },
        },
      ],
    ),
  ],
};

/** Ids and ARNs that the harness made up become references, as the linter knows the form of the real ones. */
function withReferences(value: unknown, names: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.map((each) => withReferences(each, names));
  if (isPlain(value))
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withReferences(each, names)]));
  if (typeof value !== "string") return value;
  const [, id = ""] = /^(.+)-id$/u.exec(value) ?? [];
  return names.has(logicalName(id)) ? { Ref: logicalName(id) } : value;
}
