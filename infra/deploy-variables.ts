/** A variable that the deployment reads, as the docs show it. */
interface DeployVariable {
  readonly defaultText: string;
  readonly meaning: string;
  /** Other systems rely on its value: a deployment changes it only when `POSTERN_CONSENT` names it. */
  readonly needsConsent?: true;
}

/**
 * Every variable of a deployment, besides those of AWS tools. The only table of their names; docs/deploy.md
 * repeats it.
 */
export const DEPLOY_VARIABLES = {
  POSTERN_SMTP_NAME: {
    defaultText: "none in production; elsewhere `mx.<stage>.postern.test`",
    meaning: "name of the edges in banner, EHLO and Received, and on their default certificate",
    needsConsent: true,
  },
  POSTERN_DELIVERY: {
    defaultText: "a bucket of the deployment",
    meaning:
      "where accepted mail goes: a next hop without password, `ssm:/name` (a SecureString that holds one with its password), or `s3://bucket/prefix`",
    needsConsent: true,
  },
  POSTERN_DELIVERY_KMS_KEY: {
    defaultText: "none",
    meaning:
      "ARN of the KMS key of the bucket or of the SecureString in `POSTERN_DELIVERY`, where that is not AWS's own",
  },
  POSTERN_DELIVERY_ALLOW: {
    defaultText: "empty",
    meaning: "the edges' `DELIVERY_ALLOW`",
    needsConsent: true,
  },
  POSTERN_POSTMASTER: { defaultText: "none", meaning: "the edges' `POSTMASTER`", needsConsent: true },
  POSTERN_LINE_ENDS: { defaultText: "refuse", meaning: "the edges' `LINE_ENDS`" },
  POSTERN_LONG_LINES: { defaultText: "pass", meaning: "the edges' `LONG_LINES`" },
  POSTERN_TLS_CIPHERS: {
    defaultText: "AEAD suites",
    meaning: "`TLS_CIPHERS` of the edges, with which the API tries certificates too",
  },
  POSTERN_SESSION_LOG: { defaultText: "all", meaning: "the edges' `SESSION_LOG`" },
  POSTERN_EDGES_MIN: { defaultText: "2 in production, else 1", meaning: "edges at least" },
  POSTERN_EDGES_MAX: { defaultText: "8 in production, else 1", meaning: "edges at most" },
  POSTERN_EDGE_CPU: {
    defaultText: "1 in production, else 0.5",
    meaning: "vCPU of an edge, as Fargate has them: 0.25, 0.5, 1, 2, 4, 8, 16",
  },
  POSTERN_EDGE_MEMORY: {
    defaultText: "2 in production, else 1; or the least for the CPU",
    meaning: "GB of an edge, as Fargate has them for the CPU",
  },
  POSTERN_EDGE_CONNECTIONS: {
    defaultText: "2000",
    meaning: "connections of an edge at one time: `maxConnections` of its `LIMITS`, at most 30000",
  },
  POSTERN_API_MEMORY: { defaultText: "1024", meaning: "MB of the API's function, 128 to 10240" },
  POSTERN_SCHEDULE_MEMORY: {
    defaultText: "1024",
    meaning: "MB of the schedule's function, 128 to 10240; the backup holds all domains",
  },
  POSTERN_CLIENT_ADDRESS: {
    defaultText: "preserve",
    meaning:
      "source of a client's address at the edges: `preserve`, its packets; `proxy-v2`, PROXY headers, only after AWS Support has set `on_first_ack`; see [Clients' addresses](#clients-addresses)",
    needsConsent: true,
  },
  POSTERN_ZONES: {
    defaultText: "3 in production, else 2",
    meaning: "zones of edges, load balancer and addresses, 2 to 6; a region with two needs 2",
    needsConsent: true,
  },
  POSTERN_API_AUTH: {
    defaultText: "iam",
    meaning: "who may call the API: `iam`, `jwt` or `token` (tokens of the API itself), for the whole stage",
    needsConsent: true,
  },
  POSTERN_API_DEFAULT_ACCESS: {
    defaultText: "operator",
    meaning: "with `iam`: what a caller without a principal's record may do, `operator` or `none`",
    needsConsent: true,
  },
  POSTERN_API_RATE_LIMITS: {
    defaultText: "{}",
    meaning:
      "JSON over the rate limits of each caller in each instance of the function: `readsPerSecond` (50), `writesPerSecond` (10), `burstSeconds` (5)",
  },
  POSTERN_JWT_ISSUER: {
    defaultText: "none",
    meaning: "with `jwt`: URL of the issuer (OpenID Connect)",
    needsConsent: true,
  },
  POSTERN_JWT_AUDIENCE: {
    defaultText: "none",
    meaning: "with `jwt`: audiences, by comma",
    needsConsent: true,
  },
  POSTERN_JWT_SCOPES: {
    defaultText: "none",
    meaning: "with `jwt`: a token needs one of these scopes, by comma",
    needsConsent: true,
  },
  POSTERN_JWT_ACCOUNT_CLAIM: {
    defaultText: "none",
    meaning: "with `jwt`: claim that names the account; none = every subject acts in `default`",
    needsConsent: true,
  },
  POSTERN_JWT_SCOPE_CLAIM: {
    defaultText: "scope",
    meaning: "with `jwt`: claim with the entries `postern:<scope>` ([access.md](access.md#callers))",
    needsConsent: true,
  },
  POSTERN_API_DOMAIN: {
    defaultText: "none",
    meaning: "name of the API, in a Route 53 zone of the account",
    needsConsent: true,
  },
  POSTERN_TABLE: {
    defaultText: "the stage's own",
    meaning: "a restored table, used instead of the stage's own",
    needsConsent: true,
  },
  POSTERN_STANDBY_REGION: {
    defaultText: "none",
    meaning:
      "another region that receives copies of settings and keys; see [Another region](#another-region)",
    needsConsent: true,
  },
  POSTERN_ROLE: {
    defaultText: "primary",
    meaning:
      "`standby`: only edges, on the copies that another region's deployment makes here; `takeover`: API and schedule too, after that region was lost",
    needsConsent: true,
  },
  POSTERN_ACME_DIRECTORIES: {
    defaultText: "{}",
    meaning:
      "JSON: CAs for certificates, as `ACME_DIRECTORIES` without `caFile`; set = their terms of service are agreed to",
    needsConsent: true,
  },
  POSTERN_ACME_EAB_PARAMETERS: {
    defaultText: "none",
    meaning:
      "for each CA with `eabKeyId` the SecureString with its HMAC key: `<directory>=/<parameter>`, by comma",
  },
  POSTERN_ROUTE53_ZONES: {
    defaultText: "none",
    meaning: "zones in which `_acme-challenge` records are published: `<zone id>:<domain>`, by comma",
    needsConsent: true,
  },
  POSTERN_DNS_WEBHOOK_URL: {
    defaultText: "none",
    meaning: "the https URL that publishes `_acme-challenge` records of other names",
  },
  POSTERN_DNS_WEBHOOK_SECRET_PARAMETER: {
    defaultText: "none",
    meaning: "the SecureString with the secret that signs requests to the webhook: `/<parameter>`",
  },
  POSTERN_ISSUANCE_KMS_KEY: {
    defaultText: "none",
    meaning: "ARN of the KMS key of these SecureStrings, where that is not AWS's own",
  },
  POSTERN_DNS_RESOLVERS: {
    defaultText: "those of Lambda",
    meaning:
      "resolvers that must see a record before the CA is asked: addresses with or without a port, by comma",
  },
  POSTERN_ALARM_EMAIL: { defaultText: "none", meaning: "mailbox that receives alarms", needsConsent: true },
  POSTERN_CONSENT: {
    defaultText: "none",
    meaning:
      "variables with a star whose value this one deployment may change, by comma; set in the shell, never in a file",
  },
} as const satisfies Readonly<Record<string, DeployVariable>>;

export type DeployVariableName = keyof typeof DEPLOY_VARIABLES;
/** A variable whose value other systems rely on. */
export type ConsentVariable = {
  [Name in DeployVariableName]: (typeof DEPLOY_VARIABLES)[Name] extends { readonly needsConsent: true }
    ? Name
    : never;
}[DeployVariableName];

export const isConsentVariable = (name: string): name is ConsentVariable =>
  Object.hasOwn(DEPLOY_VARIABLES, name) && "needsConsent" in DEPLOY_VARIABLES[name as DeployVariableName];

/** An invalid variable of the deployment: its name and the reason, never its value. */
export class WrongSetting extends Error {
  override readonly name = "WrongSetting";
  constructor(variable: DeployVariableName, reason: string) {
    super(`${variable}: ${reason}`);
  }
}
