import { describeRoute } from "../core/delivery/route.ts";
import { parseDeliveryAllow } from "../core/delivery/delivery-allow.ts";
import { type ConsentVariable, WrongSetting } from "./deploy-variables.ts";
import type { Delivery, Settings } from "./settings.ts";

/**
 * Values in force of a deployment, by variable, as text. None is empty, since the parameter store rejects
 * empty values.
 */
export type ValuesInForce = Readonly<Record<ConsentVariable, string>>;

const NO_JWT = { issuer: "none", audiences: [], scopes: [], accountClaim: null, scopeClaim: null };

/**
 * Values that other systems rely on. A missing variable has its default here, so that the change is detected.
 */
export function valuesOf(settings: Settings): ValuesInForce {
  const { authorizer, edge } = settings;
  const jwt = authorizer.kind === "jwt" ? authorizer : NO_JWT;
  const { networks, names } = parseDeliveryAllow(edge.DELIVERY_ALLOW ?? "");
  return {
    POSTERN_SMTP_NAME: settings.smtpName,
    POSTERN_DELIVERY: deliveryText(settings.delivery),
    POSTERN_DELIVERY_ALLOW: listText([...networks, ...names]),
    POSTERN_POSTMASTER: edge.POSTMASTER ?? "none",
    POSTERN_CLIENT_ADDRESS: settings.clientAddress,
    POSTERN_ZONES: String(settings.zones),
    POSTERN_API_AUTH: authorizer.kind,
    POSTERN_API_DEFAULT_ACCESS: authorizer.kind === "iam" ? authorizer.defaultAccess : "operator",
    POSTERN_JWT_ISSUER: jwt.issuer,
    POSTERN_JWT_AUDIENCE: listText(jwt.audiences),
    POSTERN_JWT_SCOPES: listText(jwt.scopes),
    POSTERN_JWT_ACCOUNT_CLAIM: jwt.accountClaim ?? "none",
    POSTERN_JWT_SCOPE_CLAIM: jwt.scopeClaim ?? "scope",
    POSTERN_API_DOMAIN: settings.apiDomain ?? "none",
    POSTERN_TABLE: settings.table ?? "the stage's own",
    POSTERN_STANDBY_REGION: settings.standbyRegion ?? "none",
    POSTERN_ROLE: settings.role,
    POSTERN_ACME_DIRECTORIES: listText(
      Object.entries(settings.issuance.directories).map(([name, url]) => `${name}=${url}`),
    ),
    POSTERN_ROUTE53_ZONES: listText(settings.issuance.zones.map(({ id, domain }) => `${id}:${domain}`)),
    POSTERN_ALARM_EMAIL: settings.alarmEmail ?? "none",
  };
}

function deliveryText(delivery: Delivery): string {
  switch (delivery.kind) {
    case "own-bucket":
      return "a bucket of the deployment";
    case "bucket":
      return describeRoute({ kind: "s3", bucket: delivery.bucket, prefix: delivery.prefix });
    case "next-hop":
      return delivery.url;
    case "parameter":
      return `ssm:${delivery.name}`;
    default:
      return delivery satisfies never;
  }
}

/** Order and repetition change nothing. */
const listText = (entries: readonly string[]): string =>
  entries.length === 0 ? "none" : [...new Set(entries)].toSorted().join(",");

/** A deployment would change values that other systems rely on, without consent. Nothing was changed. */
export class ChangeWithoutConsent extends Error {
  override readonly name = "ChangeWithoutConsent";
}

/** Values in force in a stage whose release did not know the variable, where the default was another one. */
const BEFORE_THE_VARIABLE: Readonly<Partial<Record<ConsentVariable, string>>> = {
  POSTERN_CLIENT_ADDRESS: "proxy-v2",
};

export interface Change {
  /**
   * Values in force since the last deployment; empty before the first one. A variable unknown to it is
   * absent, and is not compared unless BEFORE_THE_VARIABLE has its value.
   */
  readonly before: Readonly<Partial<Record<ConsentVariable, string>>>;
  readonly after: ValuesInForce;
  /** Variables that `POSTERN_CONSENT` names. */
  readonly consent: readonly ConsentVariable[];
}

/**
 * Stops a deployment that would change values that other systems rely on.
 *
 * @throws ChangeWithoutConsent that shows each value before and after.
 * @throws WrongSetting for a stage that would lose a zone, even with consent.
 * @throws WrongSetting for consent to a variable that does not change: left in a file, it would let the next
 *   change pass.
 */
export function requireConsent({ before: written, after, consent }: Change): void {
  const before = Object.keys(written).length === 0 ? written : { ...BEFORE_THE_VARIABLE, ...written };
  // The provider replaces a load balancer that loses a zone, and the new one cannot have addresses that the
  // old one still has.
  if (Number(before.POSTERN_ZONES ?? 0) > Number(after.POSTERN_ZONES))
    throw new WrongSetting("POSTERN_ZONES", `is ${before.POSTERN_ZONES ?? ""}, and cannot become less`);
  const names = Object.keys(after) as readonly ConsentVariable[];
  const changed = names.filter((name) => before[name] !== undefined && before[name] !== after[name]);
  const stale = consent.find((name) => !changed.includes(name));
  if (stale !== undefined)
    throw new WrongSetting("POSTERN_CONSENT", `${stale} does not change (${after[stale]}): take it out`);
  const silent = changed.filter((name) => !consent.includes(name));
  if (silent.length === 0) return;
  const lines = silent.map(
    (name) => `  ${name}: in force is ${before[name] ?? ""}; this deployment has ${after[name]}`,
  );
  throw new ChangeWithoutConsent(
    [
      "This deployment would change what others rely on; nothing was changed.",
      ...lines,
      `Put what is in force into .env.<stage>, or consent: POSTERN_CONSENT=${changed.join(",")}`,
    ].join("\n"),
  );
}
