/** Where a described session takes place: the listener, and what is known of its edge. */

import type { ReportedEdge, ReportedListener } from "../edge-report/edge-reports.ts";
import { type Issue, RuleViolation } from "../errors.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { ListenerView } from "../policy/facts.ts";

export interface SessionPlace {
  readonly listener: ListenerView;
  /** Domains with a dedicated listener on the same edge. */
  readonly dedicatedDomains: ReadonlySet<DomainName>;
  /** null = no edge has reported: one shared listener is assumed. */
  readonly edge: ReportedEdge | null;
}

interface Wanted {
  /** undefined = the recipient's dedicated listener, or else the first shared one. */
  readonly listener: string | undefined;
  readonly recipientDomain: DomainName | null;
  /** Whether the caller may know of the listener that is dedicated to a domain. */
  readonly isKnown: (domain: DomainName) => boolean;
}

/** What an edge without SMTP_LISTENERS has. */
const ASSUMED: SessionPlace = {
  listener: { name: "smtp", dedicatedTo: null },
  dedicatedDomains: new Set(),
  edge: null,
};

/** @throws RuleViolation (`unknown-listener`) that names those that are known. */
export function placeOf(edges: readonly ReportedEdge[], wanted: Wanted): SessionPlace {
  const live = edges.filter(({ state }) => state === "live");
  const known = (live.length > 0 ? live : edges).flatMap((edge) =>
    edge.listeners
      .filter(({ domain }) => domain === null || wanted.isKnown(domain))
      .map((listener) => ({ edge, listener })),
  );
  const { listener: name, recipientDomain } = wanted;
  if (name === undefined) {
    const dedicated = known.find(
      ({ listener }) => listener.domain !== null && listener.domain === recipientDomain,
    );
    const found = dedicated ?? known.find(({ listener }) => listener.domain === null);
    return found === undefined ? ASSUMED : placeAt(found);
  }
  const found = known.find(({ listener }) => listener.name === name);
  if (found !== undefined) return placeAt(found);
  throw new RuleViolation([unknownListener(name, [...new Set(known.map(({ listener }) => listener.name))])]);
}

function placeAt({ edge, listener }: { edge: ReportedEdge; listener: ReportedListener }): SessionPlace {
  return {
    listener: { name: listener.name, dedicatedTo: listener.domain },
    dedicatedDomains: new Set(edge.listeners.flatMap(({ domain }) => domain ?? [])),
    edge,
  };
}

function unknownListener(name: string, known: readonly string[]): Issue {
  const message =
    known.length === 0
      ? `listener ${JSON.stringify(name)} is unknown: no edge has reported a listener; leave it out`
      : `listener ${JSON.stringify(name)} is unknown; the edges have ${known.toSorted().join(", ")}`;
  return { pointer: "/listener", code: "unknown-listener", message };
}
