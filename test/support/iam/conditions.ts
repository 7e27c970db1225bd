import { type Condition, matches, Unmapped } from "./policy.ts";

/**
 * Facts of a request by condition key, in lower case. null = the key is known and the request has no value
 * for it. A key that ends in `/` declares a family such as `aws:resourcetag/`: its other members are absent.
 */
export type Context = Readonly<Record<string, string | readonly string[] | null>>;

interface Operator {
  readonly holds: (actual: string, wanted: string) => boolean;
  /** True when no wanted value matches. */
  readonly isNegated: boolean;
}

const equals = (actual: string, wanted: string): boolean => actual === wanted;
const like = (actual: string, wanted: string): boolean => matches(wanted, actual);
const sameText = (actual: string, wanted: string): boolean => actual.toLowerCase() === wanted.toLowerCase();

/** ARNs are compared part by part: `*` does not cross a colon. */
function arnLike(actual: string, wanted: string): boolean {
  const parts = (arn: string): readonly string[] => {
    const [scheme = "", partition = "", service = "", region = "", account = "", ...rest] = arn.split(":");
    return [scheme, partition, service, region, account, rest.join(":")];
  };
  const actualParts = parts(actual);
  return parts(wanted).every((part, index) => matches(part, actualParts[index] ?? ""));
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  StringEquals: { holds: equals, isNegated: false },
  StringNotEquals: { holds: equals, isNegated: true },
  StringEqualsIgnoreCase: { holds: sameText, isNegated: false },
  StringLike: { holds: like, isNegated: false },
  StringNotLike: { holds: like, isNegated: true },
  ArnEquals: { holds: arnLike, isNegated: false },
  ArnLike: { holds: arnLike, isNegated: false },
  ArnNotLike: { holds: arnLike, isNegated: true },
  Bool: { holds: sameText, isNegated: false },
};

const FORM = /^(?:(?<quantifier>ForAllValues|ForAnyValue):)?(?<name>[A-Za-z]+?)(?<ifExists>IfExists)?$/u;

/**
 * Whether a condition holds for a request
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html).
 *
 * @throws Unmapped for an operator or a key that is not known here.
 */
export function conditionHolds({ operator, key, values }: Condition, context: Context): boolean {
  const actual = valuesOf(context, key);
  if (operator === "Null") return values.some((wanted) => (wanted === "true") === (actual === null));
  const { quantifier, name = "", ifExists } = FORM.exec(operator)?.groups ?? {};
  const compare = OPERATORS[name];
  if (compare === undefined) throw new Unmapped(`the operator ${operator}`);
  if (actual === null) {
    if (quantifier === "ForAllValues" || ifExists !== undefined) return true;
    return quantifier === undefined && compare.isNegated;
  }
  const holds = (value: string): boolean =>
    values.some((wanted) => compare.holds(value, wanted)) !== compare.isNegated;
  if (quantifier === "ForAllValues") return actual.every(holds);
  if (quantifier === "ForAnyValue") return actual.some(holds);
  const [value = "", ...more] = actual;
  if (more.length > 0) throw new Unmapped(`${operator} of ${key}, which has several values`);
  return holds(value);
}

/** null = absent. */
function valuesOf(context: Context, key: string): readonly string[] | null {
  const name = key.toLowerCase();
  const found = context[name];
  if (found !== undefined) {
    const list = found === null ? [] : [found].flat();
    return list.length === 0 ? null : list;
  }
  if (name.includes("/") && Object.hasOwn(context, name.slice(0, name.indexOf("/") + 1))) return null;
  throw new Unmapped(`the condition key ${key}`);
}
