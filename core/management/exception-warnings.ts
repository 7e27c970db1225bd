import { allowedNameAccepts } from "../name/domain-name.ts";
import { ending, type Warning, warning } from "./warning.ts";
import { withException } from "../policy/exception.ts";
import { mailboxKey } from "../name/mailbox.ts";
import { isInForce } from "../snapshot/domain-group.ts";
import { type DomainRecord, TLS_LEVELS, type TlsException } from "../record/domain.ts";
import { nothingVouches } from "./reference-rules.ts";
import { hasNoTrust } from "./domain-rules.ts";
import { isSubnetOf } from "../name/network.ts";
import type { Surroundings } from "./surroundings.ts";

/** An exception is `expiring` within this time: long enough to ask its owner. */
const EXCEPTION_EXPIRING_WITHIN_MS = 7 * 24 * 3600 * 1000;

interface ExceptionContext {
  readonly surroundings: Pick<Surroundings, "trustStores">;
  readonly nowMs: number;
}

/** Exceptions of a domain that end, that can never apply, or that change nothing. */
export function exceptionWarnings(domain: DomainRecord, context: ExceptionContext): Warning[] {
  return domain.tls.exceptions.flatMap((exception, index) => {
    const which = `exception ${index} (${JSON.stringify(exception.reason)})`;
    const { expiresAt } = exception;
    const dated =
      expiresAt === undefined
        ? []
        : ending(expiresAt, context.nowMs, {
            expired: "exception-expired",
            expiring: "exception-expiring",
            text: `${which} ends at ${expiresAt}`,
            withinMs: EXCEPTION_EXPIRING_WITHIN_MS,
          });
    // One that has ended is no more than its end.
    if (!isInForce(exception, context.nowMs)) return dated;
    return [...dated, ...idleWarnings(domain, { exception, index, which }, context)];
  });
}

interface Placed {
  readonly exception: TlsException;
  readonly index: number;
  readonly which: string;
}

function idleWarnings(
  domain: DomainRecord,
  { exception, index, which }: Placed,
  context: ExceptionContext,
): Warning[] {
  const never = exception.match.clientName === undefined ? null : whyNoClientPasses(domain, context);
  if (never !== null) return warning("exception-never-matches", `${which} never matches: ${never}`);
  const { exceptions } = domain.tls;
  const inForce = (each: TlsException): boolean => isInForce(each, context.nowMs);
  const hiding = exceptions.findIndex((each, at) => at < index && inForce(each) && hides(each, exception));
  if (hiding !== -1)
    return warning(
      "exception-shadowed",
      `${which} never applies: exception ${hiding} stands before it and matches everything that it matches`,
    );
  const later = exceptions.slice(index + 1).filter((each) => inForce(each) && canMeet(exception, each));
  if (changesNothing(domain, exception) && later.every((each) => changesNothing(domain, each)))
    return warning(
      "exception-without-effect",
      `${which} changes nothing: its level and clientCertificateMode are the domain's own`,
    );
  if (!hasIdleLevel(domain, exception)) return [];
  return warning(
    "exception-without-effect",
    `the level of ${which} changes nothing: clientName holds in TLS only, and a level decides about plaintext`,
  );
}

/** Why `clientName` cannot hold for any client of the domain; null = it can. */
function whyNoClientPasses({ tls }: DomainRecord, { surroundings, nowMs }: ExceptionContext): string | null {
  const { mode, trust } = tls.clientCertificate;
  if (hasNoTrust(trust)) return "clientName needs a certificate that the domain trusts, and it trusts none";
  const modes = [
    mode,
    ...tls.exceptions.flatMap((each) => (isInForce(each, nowMs) ? (each.clientCertificateMode ?? []) : [])),
  ];
  if (modes.every((each) => each === "none"))
    return "clientName needs a certificate, and this domain asks no client for one: set a mode other than none";
  const stores = trust.trustStoreIds.map((id) => surroundings.trustStores.get(id) ?? null);
  return nothingVouches(tls.clientCertificate, stores, nowMs)
    ? "clientName needs a certificate that the domain trusts, and no certificate of its trust stores can let one pass"
    : null;
}

const changesNothing = (domain: DomainRecord, exception: TlsException): boolean => {
  const { tls } = withException(domain, exception);
  return (
    tls.server.level === domain.tls.server.level &&
    tls.clientCertificate.mode === domain.tls.clientCertificate.mode
  );
};

/**
 * A level by certificate decides nothing: the session is in TLS. Two kinds are needed all the same: one over
 * `none`, which lets STARTTLS be offered, and a stricter one beside a mode that demands it.
 */
function hasIdleLevel(domain: DomainRecord, exception: TlsException): boolean {
  const { tls } = domain;
  const { match, level, clientCertificateMode } = exception;
  if (match.clientName === undefined || level === undefined || level === tls.server.level) return false;
  // With a recipient, the level also decides which versions of TLS are taken.
  if (withException(domain, exception).tls.server.minVersion !== tls.server.minVersion) return false;
  const isStricter = TLS_LEVELS.indexOf(level) > TLS_LEVELS.indexOf(tls.server.level);
  return isStricter ? tls.server.level !== "none" && clientCertificateMode === undefined : true;
}

/** Whether the earlier exception applies wherever and as long as the later one would. */
function hides(earlier: TlsException, later: TlsException): boolean {
  const outlives =
    earlier.expiresAt === undefined ||
    (later.expiresAt !== undefined && Date.parse(later.expiresAt) <= Date.parse(earlier.expiresAt));
  return outlives && KEYS.every((key) => key.holdsWherever(earlier, later));
}

/** Whether one connection can match both. Names of certificates always can: a certificate has several. */
const canMeet = (a: TlsException, b: TlsException): boolean => KEYS.every((key) => key.canMeet(a, b));

interface Key {
  /** Whether the first exception's key holds wherever the second one's does. */
  readonly holdsWherever: (wide: TlsException, narrow: TlsException) => boolean;
  readonly canMeet: (a: TlsException, b: TlsException) => boolean;
}

const key = (
  field: keyof TlsException["match"],
  covers: (wide: string, narrow: string) => boolean,
  canBeApart = true,
): Key => {
  const holdsWherever: Key["holdsWherever"] = ({ match: wide }, { match: narrow }) => {
    const [outer, inner] = [wide[field], narrow[field]];
    return outer === undefined || (inner !== undefined && covers(outer, inner));
  };
  return {
    holdsWherever,
    canMeet: (a, b) => !canBeApart || holdsWherever(a, b) || holdsWherever(b, a),
  };
};

/** By the name of the key, so that a new one does not compile without its comparison. */
const KEY_OF: Readonly<Record<keyof TlsException["match"], Key>> = {
  clientCidr: key("clientCidr", (wide, narrow) => isSubnetOf(narrow, wide)),
  senderDomain: key("senderDomain", (wide, narrow) => wide === narrow),
  clientName: key("clientName", (wide, narrow) => allowedNameAccepts(wide, narrow), false),
  recipient: key("recipient", (wide, narrow) => mailboxKey(wide) === mailboxKey(narrow)),
};
const KEYS: readonly Key[] = Object.values(KEY_OF);
