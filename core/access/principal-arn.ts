/** ARNs of IAM principals, as records name them and as API Gateway's authorizer reports them. */

declare const brand: unique symbol;
/** Of a role: without its path. Of a user: with it. */
export type PrincipalArn = string & { readonly [brand]: "PrincipalArn" };

/** Those of AWS's documentation (docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html). */
const PARTITIONS = [
  "aws",
  "aws-cn",
  "aws-us-gov",
  "aws-eusc",
  "aws-iso",
  "aws-iso-b",
  "aws-iso-e",
  "aws-iso-f",
];
const ARN = /^arn:(?<partition>[a-z-]+):(?<service>iam|sts)::(?<account>\d{12}):(?<resource>.+)$/;

/** IAM: names of roles have at most 64 characters, paths at most 512. */
const NAME = String.raw`[A-Za-z0-9_+=,.@-]{1,64}`;
const PATH = String.raw`(?:[\x21-\x7e]{1,510}\/)?`;
const ROLE = new RegExp(`^role/${PATH}(?<name>${NAME})$`);
const USER = new RegExp(`^user/${PATH}${NAME}$`);
const ASSUMED_ROLE = new RegExp(`^assumed-role/(?<name>${NAME})/${NAME}$`);
const FEDERATED_USER = new RegExp(`^federated-user/${NAME}$`);

/** Forms that `toPrincipalArn` takes, for the OpenAPI document. */
export const PRINCIPAL_ARN_PATTERN = `^arn:(?:${PARTITIONS.join("|")}):(?:iam::[0-9]{12}:(?:root|(?:role|user)/${PATH}${NAME})|sts::[0-9]{12}:(?:assumed-role/${NAME}|federated-user)/${NAME})$`;

/** What an IAM caller without a record may do: everything, or nothing. */
export const DEFAULT_ACCESS = ["operator", "none"] as const;
export type DefaultAccess = (typeof DEFAULT_ACCESS)[number];

export const MAX_ARN = 650;

/**
 * The principal that a record is about. An assumed role is its role, of whatever session. A role's path is
 * left out: the ARN of an assumed role does not have it, and role names are unique in an account without it.
 *
 * @returns null for anything that is not the ARN of a role, a user, a root user or a federated user.
 */
export function toPrincipalArn(text: string): PrincipalArn | null {
  if (text.length > MAX_ARN) return null;
  const { partition = "", service, account = "", resource = "" } = ARN.exec(text)?.groups ?? {};
  if (!PARTITIONS.includes(partition)) return null;
  const role = (service === "iam" ? ROLE : ASSUMED_ROLE).exec(resource)?.groups?.["name"];
  if (role !== undefined) return `arn:${partition}:iam::${account}:role/${role}` as PrincipalArn;
  const isKept =
    service === "iam" ? resource === "root" || USER.test(resource) : FEDERATED_USER.test(resource);
  return isKept ? (text as PrincipalArn) : null;
}
