import type { DomainSettings } from "./postern-file.ts";

/**
 * Senders that a change of a domain's rule begins to refuse or defer, by what they lack. Empty = none.
 * Whether such senders exist is not known here: the API keeps no sessions.
 */
export function refusedBy(before: DomainSettings, after: DomainSettings): readonly string[] {
  if (after.tls.enforcement === "observe") return [];
  const wasObserved = before.tls.enforcement === "observe";
  return RULES.flatMap(({ refuses, isStricter }) => {
    const isNew = wasObserved ? isStricter(NOTHING_REFUSED, after) : isStricter(before, after);
    return isNew ? [refuses] : [];
  });
}

interface Rule {
  readonly refuses: string;
  readonly isStricter: (before: DomainSettings, after: DomainSettings) => boolean;
}

const LEVELS = ["none", "accept", "require"];
const levelOf = ({ tls }: DomainSettings): number => LEVELS.indexOf(tls.server.level);
const isRequired = ({ tls }: DomainSettings): boolean => tls.clientCertificate.mode === "require";
const trustOf = ({ tls }: DomainSettings) => tls.clientCertificate.trust;
const namesOf = ({ tls }: DomainSettings) => tls.clientCertificate.names;

/** Of a domain that refuses nothing by its rule. */
const NOTHING_REFUSED: DomainSettings = {
  mxHosts: [],
  tls: {
    server: { level: "none", certificateId: null, minVersion: "TLSv1.2" },
    clientCertificate: {
      mode: "none",
      trust: { publicRoots: false, trustStoreIds: [], pins: [] },
      names: { match: "any", allowed: [] },
      purpose: "clientAuthOrServerAuth",
    },
    enforcement: "reject",
    exceptions: [],
  },
  delivery: null,
  acknowledgedWarnings: [],
  labels: {},
};

const isIn = (all: readonly string[]) => (each: string) => all.includes(each);

const RULES: readonly Rule[] = [
  {
    refuses: "senders in plaintext",
    isStricter: (before, after) =>
      levelOf(after) === LEVELS.indexOf("require") && levelOf(before) < levelOf(after),
  },
  {
    refuses: "senders with TLS 1.2",
    isStricter: (before, after) =>
      after.tls.server.minVersion === "TLSv1.3" && before.tls.server.minVersion !== "TLSv1.3",
  },
  {
    refuses: "senders without a client certificate that the domain trusts",
    isStricter: (before, after) => isRequired(after) && !isRequired(before),
  },
  {
    refuses: "clients whose certificates only a removed trust store, pin or public CA vouches for",
    isStricter: (before, after) => {
      const [old, its] = [trustOf(before), trustOf(after)];
      const isKept =
        old.trustStoreIds.every(isIn(its.trustStoreIds)) &&
        old.pins.every(isIn(its.pins)) &&
        (its.publicRoots || !old.publicRoots);
      return isRequired(before) && isRequired(after) && !isKept;
    },
  },
  {
    refuses: "clients whose certificates have none of the names that are permitted now",
    isStricter: (before, after) => {
      const [old, its] = [namesOf(before), namesOf(after)];
      const isKept = its.match === "any" || (its.match === old.match && old.allowed.every(isIn(its.allowed)));
      return isRequired(before) && isRequired(after) && !isKept;
    },
  },
  {
    refuses: "clients whose certificates are for servers only",
    isStricter: (before, after) =>
      isRequired(before) &&
      isRequired(after) &&
      before.tls.clientCertificate.purpose === "clientAuthOrServerAuth" &&
      after.tls.clientCertificate.purpose === "clientAuth",
  },
  {
    refuses:
      "senders and recipients of an exception that is removed or changed, where the domain's rule is stricter",
    isStricter: (before, after) => {
      const kept = new Set(after.tls.exceptions.map((exception) => JSON.stringify(exception)));
      return !before.tls.exceptions.every((exception) => kept.has(JSON.stringify(exception)));
    },
  },
  {
    refuses: "senders and recipients of a new exception, where it is stricter than the domain's rule",
    isStricter: (before, after) => {
      const old = new Set(before.tls.exceptions.map(({ match }) => JSON.stringify(match)));
      return after.tls.exceptions.some(
        ({ match, level, clientCertificateMode: mode }) =>
          !old.has(JSON.stringify(match)) &&
          ((level !== undefined && LEVELS.indexOf(level) > levelOf(after)) ||
            (mode === "require" && !isRequired(after))),
      );
    },
  },
];
