/** What CloudFormation calls a resource's properties, made of what Pulumi's AWS provider calls them. */

export type Properties = Readonly<Record<string, unknown>>;

/**
 * What becomes of one input: another name, properties made of it, or null for what the provider alone knows.
 */
export type Rule = string | null | ((value: unknown) => Properties);
export type Rules = Readonly<Record<string, Rule>>;

/** Names whose capitals are not those of the rule. */
const NAMES: Readonly<Record<string, string>> = {
  sseAlgorithm: "SSEAlgorithm",
  kmsMasterKeyId: "KMSMasterKeyID",
  replicaKmsKeyId: "ReplicaKmsKeyID",
  ttl: "TTL",
  okActions: "OKActions",
  cidrIpv4: "CidrIp",
};

const nameOf = (input: string): string => NAMES[input] ?? input.charAt(0).toUpperCase() + input.slice(1);

/** Inner objects too: `{ dnsRecords: [{ ttl: 60 }] }` is `{ DnsRecords: [{ TTL: 60 }] }`. */
export function pascal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pascal);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [nameOf(key), pascal(each)]));
}

/** Empty lists and objects say what leaving them out says; the provider's own defaults are full of them. */
const isEmpty = (value: unknown): boolean =>
  value === null || value === undefined || (typeof value === "object" && Object.keys(value).length === 0);

export function propertiesOf(inputs: Properties, rules: Rules): Properties {
  return Object.assign(
    {},
    ...Object.entries(inputs)
      .filter(([, value]) => !isEmpty(value))
      .map(([input, value]): Properties => {
        const rule = rules[input];
        if (rule === null) return {};
        if (typeof rule === "function") return rule(value);
        return { [rule ?? nameOf(input)]: pascal(value) };
      }),
  ) as Properties;
}

export const at = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;

export const listOf = (value: unknown): readonly Properties[] => [value].flat() as readonly Properties[];

/** `{ Name: "x" }` as CloudFormation has it: `[{ Key: "Name", Value: "x" }]`. */
export const tagList = (tags: unknown): Properties => ({
  Tags: Object.entries(tags as Properties).map(([Key, Value]) => ({ Key, Value })),
});

/** A value whose keys are data, and not names of properties. */
export const verbatim =
  (name: string) =>
  (value: unknown): Properties => ({ [name]: value });

/** A document that comes as text. */
export const document =
  (name: string) =>
  (value: unknown): Properties => ({ [name]: typeof value === "string" ? JSON.parse(value) : value });
