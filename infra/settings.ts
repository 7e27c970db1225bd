import { awsConfigSchema } from "../adapters/aws/aws-config.ts";
import { CLAIM_NAME } from "../core/access/claim-name.ts";
import { rateLimitsVariable } from "../core/access/rate-limit.ts";
import { DEFAULT_ACCESS, type DefaultAccess } from "../core/access/principal-arn.ts";
import { describeRoute } from "../core/delivery/route.ts";
import { parseDomainName } from "../core/name/domain-name.ts";
import { InvalidInput } from "../core/errors.ts";
import {
  type ConsentVariable,
  DEPLOY_VARIABLES,
  type DeployVariableName,
  isConsentVariable,
  WrongSetting,
} from "./deploy-variables.ts";
import { type IssuanceSettings, readIssuance } from "./issuance-settings.ts";
import { readSizes, type Sizes } from "./sizes.ts";
import { WrongEnvironment } from "../core/environment.ts";
import { type Config, parseConfig } from "../worker/config/config.ts";

type Environment = Readonly<Record<string, string | undefined>>;
/** The value of a variable; null = it is not set. */
type Given = (name: DeployVariableName) => string | null;

export type Delivery =
  /** A bucket made with the deployment. */
  | { readonly kind: "own-bucket" }
  | {
      readonly kind: "bucket";
      readonly bucket: string;
      readonly prefix: string;
      /** ARN of the KMS key that the bucket encrypts with; null = it has no customer managed key. */
      readonly key: string | null;
    }
  | { readonly kind: "next-hop"; readonly url: string }
  | {
      readonly kind: "parameter";
      readonly name: string;
      /** ARN of the KMS key of the SecureString; null = AWS's own. */
      readonly key: string | null;
    };

export type ApiAuthorizer =
  | { readonly kind: "iam"; readonly defaultAccess: DefaultAccess }
  /** API Gateway lets every request pass, and the function judges its token. */
  | { readonly kind: "token" }
  | {
      readonly kind: "jwt";
      readonly issuer: string;
      readonly audiences: readonly string[];
      readonly scopes: readonly string[];
      /** null = every subject acts in the account default. */
      readonly accountClaim: string | null;
      /** null = the API's default. */
      readonly scopeClaim: string | null;
    };

/**
 * `primary`: on a table and buckets that it creates. `standby`: only edges, on the copies; `takeover`: all,
 * on the copies.
 */
export const DEPLOYMENT_ROLES = ["primary", "standby", "takeover"] as const;
export type DeploymentRole = (typeof DEPLOYMENT_ROLES)[number];

/**
 * Source of a client's address at the edges. `preserve`: its packets; `proxy-v2`: the balancer's PROXY
 * header.
 */
const CLIENT_ADDRESSES = ["preserve", "proxy-v2"] as const;
type ClientAddress = (typeof CLIENT_ADDRESSES)[number];

export interface Settings {
  readonly isProduction: boolean;
  readonly zones: number;
  readonly smtpName: string;
  readonly delivery: Delivery;
  /** Variables of the edges that are handed on as they are. */
  readonly edge: Readonly<Partial<Record<PassedOn, string>>>;
  readonly edges: { readonly min: number; readonly max: number };
  /** Connections of an edge at one time. */
  readonly connections: number;
  readonly sizes: Sizes;
  readonly clientAddress: ClientAddress;
  readonly authorizer: ApiAuthorizer;
  /** null = those of the API. */
  readonly rateLimits: string | null;
  readonly apiDomain: string | null;
  /** null = the stage's own. */
  readonly table: string | null;
  readonly role: DeploymentRole;
  /** Where copies of settings and keys are made; null = nowhere. */
  readonly standbyRegion: string | null;
  readonly issuance: IssuanceSettings;
  readonly alarmEmail: string | null;
  /** Variables whose value this deployment may change. */
  readonly consent: readonly ConsentVariable[];
}

const PASSED_ON = [
  "DELIVERY_ALLOW",
  "POSTMASTER",
  "LINE_ENDS",
  "LONG_LINES",
  "TLS_CIPHERS",
  "SESSION_LOG",
] as const;
type PassedOn = (typeof PASSED_ON)[number];

const MAILBOX: Form = { pattern: /^[^\s@]+@[^\s@]+\.[^\s@]+$/, reason: "must be a mailbox" };
/** ARN of a KMS key by its id: IAM does not grant access by alias. */
const KEY_ARN: Form = {
  pattern: /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/(?:[0-9a-f-]{36}|mrk-[0-9a-f]{32})$/,
  reason: "must be the ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID",
};
const REGION: Form = {
  pattern: /^[a-z]{2}(?:-[a-z]+)+-\d$/,
  reason: "must be the name of a region, such as eu-west-1",
};
const PARAMETER = /^ssm:(?<name>\/[\w./-]{1,1000})$/;
/** A value is kept in a parameter, which holds 4 KB; a list may grow when it is written in full. */
const MOST_CHARACTERS = 2_048;
/**
 * Stops a typing error: a target group takes 500 targets, and a deployment runs old and new edges
 * (docs/adr/0025).
 */
const MOST_EDGES = 100;
/** Fixed quotas of API Gateway for an authorizer and a route ("Quotas for … an HTTP API"). */
const MOST_AUDIENCES = 50;
const MOST_SCOPES = 10;
/** A connection needs two file descriptors, one of them to its next hop, and a task has 65,535. */
const MOST_CONNECTIONS = 30_000;

/**
 * Reads the operator's settings. An empty variable counts as not set. Variables of the edges are read by the
 * edges' parsers, so that an invalid value ends the deployment here, before edges fail to start.
 *
 * @throws WrongSetting
 */
export function readSettings(stage: string, environment: Environment): Settings {
  const isProduction = stage === "production";
  const given: Given = (name) => environment[name] || null;
  const unknown = Object.keys(environment).find(
    (name) => name.startsWith("POSTERN_") && !Object.hasOwn(DEPLOY_VARIABLES, name) && !OF_OTHERS.has(name),
  );
  if (unknown !== undefined)
    throw new WrongSetting(unknown as DeployVariableName, "is no variable of a deployment");
  const long = Object.keys(DEPLOY_VARIABLES).find(
    (name) => (environment[name]?.length ?? 0) > MOST_CHARACTERS,
  );
  if (long !== undefined)
    throw new WrongSetting(long as DeployVariableName, `must have at most ${MOST_CHARACTERS} characters`);
  const edge = passedOn(given);
  return {
    isProduction,
    // The failure of a zone removes half or a third of the edges.
    zones: count("POSTERN_ZONES", given("POSTERN_ZONES"), {
      least: 2,
      most: 6,
      otherwise: isProduction ? 3 : 2,
    }),
    smtpName: smtpName(
      given("POSTERN_SMTP_NAME"),
      isProduction ? null : `mx.${stage.toLowerCase()}.postern.test`,
    ),
    delivery: delivery(given),
    edge,
    edges: edges(given, isProduction),
    connections: count("POSTERN_EDGE_CONNECTIONS", given("POSTERN_EDGE_CONNECTIONS"), {
      least: 1,
      most: MOST_CONNECTIONS,
      otherwise: 2_000,
    }),
    sizes: readSizes({ given, isProduction, wrong: (name, reason) => new WrongSetting(name, reason) }),
    clientAddress: oneOf("POSTERN_CLIENT_ADDRESS", CLIENT_ADDRESSES, given) ?? "preserve",
    authorizer: authorizer(given),
    rateLimits: rateLimits(given("POSTERN_API_RATE_LIMITS")),
    apiDomain: hostName("POSTERN_API_DOMAIN", given("POSTERN_API_DOMAIN")),
    table: tableName(given("POSTERN_TABLE")),
    ...roleOf(given),
    issuance: readIssuance({
      given,
      key: matching("POSTERN_ISSUANCE_KMS_KEY", given("POSTERN_ISSUANCE_KMS_KEY"), KEY_ARN),
      wrong: (name, reason) => new WrongSetting(name, reason),
    }),
    alarmEmail: matching("POSTERN_ALARM_EMAIL", given("POSTERN_ALARM_EMAIL"), MAILBOX),
    consent: consent(given("POSTERN_CONSENT")),
  };
}

/** Variables of clients of the API and of our test commands, which may be set in the same shell. */
const OF_OTHERS: ReadonlySet<string> = new Set([
  "POSTERN_URL",
  "POSTERN_TOKEN",
  "POSTERN_PROFILE",
  "POSTERN_PEERS",
  "POSTERN_INFRA",
  "POSTERN_AWS",
  "POSTERN_IMAGE",
]);

interface Form {
  readonly pattern: RegExp;
  readonly reason: string;
}

function rateLimits(text: string | null): string | null {
  const read = rateLimitsVariable.safeParse(text ?? undefined);
  if (!read.success) throw new WrongSetting("POSTERN_API_RATE_LIMITS", read.error.issues[0]?.message ?? "");
  return text;
}

function matching(name: DeployVariableName, value: string | null, { pattern, reason }: Form): string | null {
  if (value !== null && !pattern.test(value)) throw new WrongSetting(name, reason);
  return value;
}

/** @throws WrongSetting by the name that the deployment has for the edge's variable. */
function parseEdgeConfig(variables: Readonly<Record<string, string>>): Config {
  try {
    return parseConfig(variables, { cwd: "/", hostName: null });
  } catch (error) {
    const [problem] = error instanceof WrongEnvironment ? error.problems : [];
    if (problem === undefined) throw error;
    throw new WrongSetting(`POSTERN_${problem.variable}` as DeployVariableName, problem.reason);
  }
}

function passedOn(given: Given): Settings["edge"] {
  const edge = Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = given(`POSTERN_${name}`);
      return value === null ? [] : [[name, value]];
    }),
  );
  parseEdgeConfig(edge);
  return edge;
}

function hostName(name: DeployVariableName, value: string | null): string | null {
  if (value === null) return null;
  try {
    const parsed = parseDomainName(value);
    if (parsed.includes(".")) return parsed;
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new WrongSetting(name, error.message);
  }
  throw new WrongSetting(name, "must be a name with its domain, such as mx.example.net");
}

function smtpName(value: string | null, otherwise: string | null): string {
  const name = hostName("POSTERN_SMTP_NAME", value) ?? otherwise;
  if (name === null) throw new WrongSetting("POSTERN_SMTP_NAME", "is needed in production");
  return name;
}

function tableName(value: string | null): string | null {
  if (value === null) return null;
  const parsed = awsConfigSchema.shape.TABLE_NAME.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new WrongSetting("POSTERN_TABLE", parsed.error.issues[0]?.message ?? "must be the name of a table");
}

function delivery(given: Given): Delivery {
  const value = given("POSTERN_DELIVERY");
  const key = matching("POSTERN_DELIVERY_KMS_KEY", given("POSTERN_DELIVERY_KMS_KEY"), KEY_ARN);
  const place = deliveryPlace(value, key);
  if (key !== null && (place.kind === "own-bucket" || place.kind === "next-hop"))
    throw new WrongSetting(
      "POSTERN_DELIVERY_KMS_KEY",
      "means nothing unless POSTERN_DELIVERY is s3: or ssm:",
    );
  return place;
}

function deliveryPlace(value: string | null, key: string | null): Delivery {
  if (value === null) return { kind: "own-bucket" };
  const parameter = PARAMETER.exec(value)?.groups?.["name"];
  if (parameter !== undefined) return { kind: "parameter", name: parameter, key };
  const wrong = (reason: string): WrongSetting => new WrongSetting("POSTERN_DELIVERY", reason);
  if (value.startsWith("ssm:")) throw wrong("must be ssm:/name, the name of a parameter with its slash");
  const { delivery: route } = parseEdgeConfig({ DELIVERY: value });
  switch (route.kind) {
    case "maildir":
      throw wrong("must be smtp://, smtps://, lmtp://, s3:// or ssm:/name: the disk of an edge ends with it");
    case "s3":
      return { kind: "bucket", bucket: route.bucket, prefix: route.prefix, key };
    default:
      // The value would be in the task definition, which many roles may read.
      if (route.credentials !== null)
        throw wrong("must hold no password; put the URL in a SecureString and give ssm:/its-name");
      return { kind: "next-hop", url: describeRoute(route) };
  }
}

function oneOf<T extends string>(name: DeployVariableName, choices: readonly T[], given: Given): T | null {
  const named = given(name);
  const choice = choices.find((each) => each === named) ?? null;
  if (named !== null && choice === null) throw new WrongSetting(name, `must be one of ${choices.join(", ")}`);
  return choice;
}

function roleOf(given: Given): Pick<Settings, "role" | "standbyRegion"> {
  const named = given("POSTERN_ROLE") ?? "primary";
  const role = DEPLOYMENT_ROLES.find((each) => each === named);
  if (role === undefined)
    throw new WrongSetting("POSTERN_ROLE", `must be one of ${DEPLOYMENT_ROLES.join(", ")}`);
  const standbyRegion = matching("POSTERN_STANDBY_REGION", given("POSTERN_STANDBY_REGION"), REGION);
  if (standbyRegion !== null && role !== "primary")
    throw new WrongSetting("POSTERN_STANDBY_REGION", `means nothing with POSTERN_ROLE=${role}`);
  return { role, standbyRegion };
}

interface Range {
  readonly least: number;
  readonly most: number;
  readonly otherwise: number;
}

function count(name: DeployVariableName, value: string | null, { least, most, otherwise }: Range): number {
  if (value === null) return otherwise;
  const number = /^\d{1,5}$/.test(value) ? Number(value) : -1;
  if (number < least || number > most)
    throw new WrongSetting(name, `must be a number from ${least} to ${most}`);
  return number;
}

function edges(given: Given, isProduction: boolean): Settings["edges"] {
  const range = { least: 1, most: MOST_EDGES };
  const min = count("POSTERN_EDGES_MIN", given("POSTERN_EDGES_MIN"), {
    ...range,
    otherwise: isProduction ? 2 : 1,
  });
  const otherwise = Math.max(min, isProduction ? 8 : 1);
  const max = count("POSTERN_EDGES_MAX", given("POSTERN_EDGES_MAX"), { ...range, otherwise });
  if (max < min) throw new WrongSetting("POSTERN_EDGES_MAX", "must not be less than POSTERN_EDGES_MIN");
  return { min, max };
}

const JWT_VARIABLES = [
  "POSTERN_JWT_ISSUER",
  "POSTERN_JWT_AUDIENCE",
  "POSTERN_JWT_SCOPES",
  "POSTERN_JWT_ACCOUNT_CLAIM",
  "POSTERN_JWT_SCOPE_CLAIM",
] as const;
/** Variables that mean something with one kind alone: an operator who sets them expects their effect. */
const VARIABLES_OF = {
  iam: ["POSTERN_API_DEFAULT_ACCESS"],
  jwt: JWT_VARIABLES,
  token: [],
} as const satisfies Record<ApiAuthorizer["kind"], readonly DeployVariableName[]>;

function authorizer(given: Given): ApiAuthorizer {
  const kind = oneOf("POSTERN_API_AUTH", ["iam", "jwt", "token"], given) ?? "iam";
  for (const [other, names] of Object.entries(VARIABLES_OF)) {
    const unused = names.find((name) => other !== kind && given(name) !== null);
    if (unused !== undefined)
      throw new WrongSetting(unused, `means nothing without POSTERN_API_AUTH=${other}`);
  }
  if (kind === "token") return { kind };
  if (kind === "iam")
    return { kind, defaultAccess: oneOf("POSTERN_API_DEFAULT_ACCESS", DEFAULT_ACCESS, given) ?? "operator" };
  const issuer = given("POSTERN_JWT_ISSUER");
  const audiences = listOfAtMost("POSTERN_JWT_AUDIENCE", MOST_AUDIENCES, given);
  const scopes = listOfAtMost("POSTERN_JWT_SCOPES", MOST_SCOPES, given);
  if (issuer === null || !/^https:\/\/[^\s?#]+$/.test(issuer)) {
    throw new WrongSetting("POSTERN_JWT_ISSUER", "must be the https URL of an issuer");
  }
  if (audiences.length === 0) throw new WrongSetting("POSTERN_JWT_AUDIENCE", "must name an audience");
  const accountClaim = claim("POSTERN_JWT_ACCOUNT_CLAIM", given);
  const scopeClaim = claim("POSTERN_JWT_SCOPE_CLAIM", given);
  return { kind, issuer, audiences, scopes, accountClaim, scopeClaim };
}

function claim(name: DeployVariableName, given: Given): string | null {
  const text = given(name);
  if (text !== null && !CLAIM_NAME.test(text)) throw new WrongSetting(name, "must be the name of a claim");
  return text;
}

function listOfAtMost(name: DeployVariableName, most: number, given: Given): readonly string[] {
  const entries = list(given(name));
  if (entries.length > most) throw new WrongSetting(name, `must have at most ${most} entries`);
  return entries;
}

const list = (text: string | null): readonly string[] =>
  (text ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");

function consent(text: string | null): readonly ConsentVariable[] {
  return list(text).map((name) => {
    if (isConsentVariable(name)) return name;
    throw new WrongSetting("POSTERN_CONSENT", `${name} is no variable that needs consent`);
  });
}
