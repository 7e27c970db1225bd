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

export type Delivery =
  /** A bucket made with the deployment. */
  | { readonly kind: "own-bucket" }
  | { readonly kind: "bucket"; readonly bucket: string; readonly prefix: string }
  | { readonly kind: "next-hop"; readonly url: string }
  | { readonly kind: "parameter"; readonly name: string };

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

const HOST_NAME: Form = {
  pattern: /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/,
  reason: "must be a host name in lower case",
};
const MAILBOX: Form = { pattern: /^[^\s@]+@[^\s@]+\.[^\s@]+$/, reason: "must be a mailbox" };
const TABLE: Form = { pattern: /^[\w.-]{3,255}$/, reason: "must be the name of a table" };
const BUCKET_URL = /^s3:\/\/(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(?<prefix>[\w!.*'()/-]+)$/;
const NEXT_HOP = /^(?:smtps?|lmtp):\/\/[^\s/?#]+\/?(?:\?tls=(?:require|opportunistic))?$/;
const PARAMETER = /^ssm:(?<name>\/[\w./-]{1,1000})$/;
/** An NLB's targets and DynamoDB's log are not the limit before this; it stops a typing error. */
const MOST_EDGES = 100;

/**
 * Reads what the operator chose. An empty variable counts as not set.
 *
 * @throws WrongSetting
 */
export function readSettings(stage: string, environment: Environment): Settings {
  const isProduction = stage === "production";
  const given = (name: DeployVariableName): string | null => environment[name] || null;
  const unknown = Object.keys(environment).find(
    (name) => name.startsWith("POSTERN_") && !Object.hasOwn(DEPLOY_VARIABLES, name) && !OF_TESTS.has(name),
  );
  if (unknown !== undefined)
    throw new WrongSetting(unknown as DeployVariableName, "is no variable of a deployment");
  return {
    isProduction,
    // A zone that fails takes half or a third of the edges with it.
    zones: isProduction ? 3 : 2,
    smtpName: smtpName(given("POSTERN_SMTP_NAME"), isProduction ? null : `mx.${stage}.postern.test`),
    delivery: delivery(given("POSTERN_DELIVERY")),
    edge: Object.fromEntries(
      PASSED_ON.flatMap((name) => {
        const value = given(`POSTERN_${name}`);
        return value === null ? [] : [[name, value]];
      }),
    ),
    edges: edges(given("POSTERN_EDGES_MIN"), given("POSTERN_EDGES_MAX"), isProduction),
    authorizer: authorizer(given),
    apiDomain: matching("POSTERN_API_DOMAIN", given("POSTERN_API_DOMAIN"), HOST_NAME),
    table: matching("POSTERN_TABLE", given("POSTERN_TABLE"), TABLE),
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

function smtpName(value: string | null, otherwise: string | null): string {
  const name = matching("POSTERN_SMTP_NAME", value, HOST_NAME) ?? otherwise;
  if (name === null) throw new WrongSetting("POSTERN_SMTP_NAME", "is needed in production");
  return name;
}

function delivery(value: string | null): Delivery {
  if (value === null) return { kind: "own-bucket" };
  const parameter = PARAMETER.exec(value)?.groups?.["name"];
  if (parameter !== undefined) return { kind: "parameter", name: parameter };
  const place = BUCKET_URL.exec(value)?.groups;
  if (place !== undefined)
    return { kind: "bucket", bucket: place["bucket"] ?? "", prefix: place["prefix"] ?? "" };
  const wrong = (reason: string): WrongSetting => new WrongSetting("POSTERN_DELIVERY", reason);
  // What is set here stands in the task definition, which many may read.
  if (value.includes("@"))
    throw wrong("must hold no password; put the URL in a SecureString and give ssm:/its-name");
  if (!NEXT_HOP.test(value))
    throw wrong("must be smtp://host[:port], smtps://, lmtp://, ssm:/name or s3://bucket/prefix");
  return { kind: "next-hop", url: value };
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

function authorizer(given: (name: DeployVariableName) => string | null): ApiAuthorizer {
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
