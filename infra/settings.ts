import { awsConfigSchema } from "../adapters/aws/aws-config.ts";
import { describeRoute } from "../core/delivery/route.ts";
import { parseDomainName } from "../core/domain-name/domain-name.ts";
import { InvalidInput } from "../core/errors.ts";
import { type Config, parseConfig, WrongConfig } from "../worker/config.ts";

/** A variable that the deployment reads, as people meet it. */
interface DeployVariable {
  readonly defaultText: string;
  readonly meaning: string;
}

/** Every variable of a deployment, beside AWS's own. The one table of their names; docs/deploy.md has the same. */
export const DEPLOY_VARIABLES = {
  POSTERN_SMTP_NAME: {
    defaultText: "none in production; elsewhere `mx.<stage>.postern.test`",
    meaning: "name of the edges in banner, EHLO and Received, and on their default certificate",
  },
  POSTERN_DELIVERY: {
    defaultText: "a bucket of the deployment",
    meaning:
      "where accepted mail goes: a next hop without password, `ssm:/name` (a SecureString that holds one with its password), or `s3://bucket/prefix`",
  },
  POSTERN_DELIVERY_KMS_KEY: {
    defaultText: "none",
    meaning:
      "ARN of the KMS key of the bucket or of the SecureString in `POSTERN_DELIVERY`, where that is not AWS's own",
  },
  POSTERN_DELIVERY_ALLOW: { defaultText: "empty", meaning: "the edges' `DELIVERY_ALLOW`" },
  POSTERN_POSTMASTER: { defaultText: "none", meaning: "the edges' `POSTMASTER`" },
  POSTERN_LINE_ENDS: { defaultText: "refuse", meaning: "the edges' `LINE_ENDS`" },
  POSTERN_TLS_CIPHERS: { defaultText: "AEAD suites", meaning: "the edges' `TLS_CIPHERS`" },
  POSTERN_EDGES_MIN: { defaultText: "2 in production, else 1", meaning: "edges at least" },
  POSTERN_EDGES_MAX: { defaultText: "8 in production, else 1", meaning: "edges at most" },
  POSTERN_API_AUTH: {
    defaultText: "iam",
    meaning: "who may call the API: `iam` or `jwt`, for the whole stage",
  },
  POSTERN_JWT_ISSUER: { defaultText: "none", meaning: "with `jwt`: URL of the issuer (OpenID Connect)" },
  POSTERN_JWT_AUDIENCE: { defaultText: "none", meaning: "with `jwt`: audiences, by comma" },
  POSTERN_JWT_SCOPES: {
    defaultText: "none",
    meaning: "with `jwt`: a token needs one of these scopes, by comma",
  },
  POSTERN_API_DOMAIN: { defaultText: "none", meaning: "name of the API, in a Route 53 zone of the account" },
  POSTERN_TABLE: {
    defaultText: "the stage's own",
    meaning: "a table that was restored, and takes the place of the stage's own",
  },
  POSTERN_ALARM_EMAIL: { defaultText: "none", meaning: "who hears of alarms" },
} as const satisfies Readonly<Record<string, DeployVariable>>;

export type DeployVariableName = keyof typeof DEPLOY_VARIABLES;
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
      /** ARN of the KMS key that the bucket encrypts with; null = it has none of its own. */
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
  | { readonly kind: "iam" }
  | {
      readonly kind: "jwt";
      readonly issuer: string;
      readonly audiences: readonly string[];
      readonly scopes: readonly string[];
    };

export interface Settings {
  readonly isProduction: boolean;
  readonly zones: number;
  readonly smtpName: string;
  readonly delivery: Delivery;
  /** Variables of the edges that are handed on as they are. */
  readonly edge: Readonly<Partial<Record<PassedOn, string>>>;
  readonly edges: { readonly min: number; readonly max: number };
  readonly authorizer: ApiAuthorizer;
  readonly apiDomain: string | null;
  /** null = the stage's own. */
  readonly table: string | null;
  readonly alarmEmail: string | null;
}

const PASSED_ON = ["DELIVERY_ALLOW", "POSTMASTER", "LINE_ENDS", "TLS_CIPHERS"] as const;
type PassedOn = (typeof PASSED_ON)[number];

/** A variable of the deployment is wrong: its name and the reason, never its value. */
export class WrongSetting extends Error {
  override readonly name = "WrongSetting";
  constructor(variable: DeployVariableName, reason: string) {
    super(`${variable}: ${reason}`);
  }
}

const MAILBOX: Form = { pattern: /^[^\s@]+@[^\s@]+\.[^\s@]+$/, reason: "must be a mailbox" };
/** Of KMS, with the key's id: IAM grants nothing by an alias. */
const KEY_ARN: Form = {
  pattern: /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/(?:[0-9a-f-]{36}|mrk-[0-9a-f]{32})$/,
  reason: "must be the ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID",
};
const PARAMETER = /^ssm:(?<name>\/[\w./-]{1,1000})$/;
/** An NLB's targets and DynamoDB's log are not the limit before this; it stops a typing error. */
const MOST_EDGES = 100;

/**
 * Reads what the operator chose. An empty variable counts as not set. What edges read themselves is read by their own parsers,
 * so that a deployment ends here and not when its edges do not start.
 *
 * @throws WrongSetting
 */
export function readSettings(stage: string, environment: Environment): Settings {
  const isProduction = stage === "production";
  const given: Given = (name) => environment[name] || null;
  const unknown = Object.keys(environment).find(
    (name) => name.startsWith("POSTERN_") && !Object.hasOwn(DEPLOY_VARIABLES, name) && !OF_TESTS.has(name),
  );
  if (unknown !== undefined)
    throw new WrongSetting(unknown as DeployVariableName, "is no variable of a deployment");
  const edge = passedOn(given);
  return {
    isProduction,
    // A zone that fails takes half or a third of the edges with it.
    zones: isProduction ? 3 : 2,
    smtpName: smtpName(
      given("POSTERN_SMTP_NAME"),
      isProduction ? null : `mx.${stage.toLowerCase()}.postern.test`,
    ),
    delivery: delivery(given),
    edge,
    edges: edges(given("POSTERN_EDGES_MIN"), given("POSTERN_EDGES_MAX"), isProduction),
    authorizer: authorizer(given),
    apiDomain: hostName("POSTERN_API_DOMAIN", given("POSTERN_API_DOMAIN")),
    table: tableName(given("POSTERN_TABLE")),
    alarmEmail: matching("POSTERN_ALARM_EMAIL", given("POSTERN_ALARM_EMAIL"), MAILBOX),
  };
}

/** Variables of our test commands, which may be set in the same shell. */
const OF_TESTS: ReadonlySet<string> = new Set(["POSTERN_PEERS", "POSTERN_INFRA", "POSTERN_AWS"]);

interface Form {
  readonly pattern: RegExp;
  readonly reason: string;
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
    const [problem] = error instanceof WrongConfig ? error.problems : [];
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
      // What is set here stands in the task definition, which many may read.
      if (route.credentials !== null)
        throw wrong("must hold no password; put the URL in a SecureString and give ssm:/its-name");
      return { kind: "next-hop", url: describeRoute(route) };
  }
}

function edges(min: string | null, max: string | null, isProduction: boolean): Settings["edges"] {
  const count = (name: DeployVariableName, value: string | null, otherwise: number): number => {
    if (value === null) return otherwise;
    const number = /^\d{1,3}$/.test(value) ? Number(value) : 0;
    if (number < 1 || number > MOST_EDGES)
      throw new WrongSetting(name, `must be a number from 1 to ${MOST_EDGES}`);
    return number;
  };
  const least = count("POSTERN_EDGES_MIN", min, isProduction ? 2 : 1);
  const most = count("POSTERN_EDGES_MAX", max, Math.max(least, isProduction ? 8 : 1));
  if (most < least) throw new WrongSetting("POSTERN_EDGES_MAX", "must not be less than POSTERN_EDGES_MIN");
  return { min: least, max: most };
}

function authorizer(given: Given): ApiAuthorizer {
  const kind = given("POSTERN_API_AUTH") ?? "iam";
  const issuer = given("POSTERN_JWT_ISSUER");
  const audiences = list(given("POSTERN_JWT_AUDIENCE"));
  const scopes = list(given("POSTERN_JWT_SCOPES"));
  if (kind === "iam") {
    // Whoever sets them believes that tokens are checked.
    if (issuer !== null)
      throw new WrongSetting("POSTERN_JWT_ISSUER", "means nothing without POSTERN_API_AUTH=jwt");
    return { kind };
  }
  if (kind !== "jwt") throw new WrongSetting("POSTERN_API_AUTH", "must be iam or jwt");
  if (issuer === null || !/^https:\/\/[^\s?#]+$/.test(issuer)) {
    throw new WrongSetting("POSTERN_JWT_ISSUER", "must be the https URL of an issuer");
  }
  if (audiences.length === 0) throw new WrongSetting("POSTERN_JWT_AUDIENCE", "must name an audience");
  return { kind, issuer, audiences, scopes };
}

const list = (text: string | null): readonly string[] =>
  (text ?? "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
