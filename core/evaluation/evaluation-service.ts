import { type Actor, OPERATOR_ACCOUNT } from "../actor.ts";
import { timestamp } from "../clock.ts";
import type { EdgeReports, ReportedEdge } from "../edge-report/edge-reports.ts";
import { type Issue, RuleViolation } from "../errors.ts";
import type { DomainWriteDependencies } from "../management/domain-write.ts";
import { canonicalAddress } from "../name/client-address.ts";
import { type DomainName, toDomainName } from "../name/domain-name.ts";
import { domainOfMailbox, type Mailbox } from "../name/mailbox.ts";
import type { ClientChainVerifier } from "../policy/chain-verifier.ts";
import type { RowExplanation } from "../policy/explanation.ts";
import { createTrustResolver } from "../policy/trust.ts";
import { isPending, ownershipName } from "../record/ownership.ts";
import { FollowedSettings } from "../snapshot/followed-settings.ts";
import { withTrustContents } from "../snapshot/snapshot.ts";
import type { Snapshot } from "../snapshot/snapshot-view.ts";
import { createTrustContentLoader, type TrustContentLoader } from "../snapshot/trust-content-loader.ts";
import type { KeyVault } from "../store/key-vault.ts";
import type { Store } from "../store/store.ts";
import { recipientOf } from "../smtp/recipient.ts";
import { readClientChain } from "./client-chain.ts";
import type { Evaluation } from "./evaluation.ts";
import { type EvaluationInput, pathOf } from "./evaluation-input.ts";
import { type DescribedSession, type JudgingEdge, judgeSession } from "./judged-session.ts";
import { placeOf } from "./session-place.ts";
import { type SettingsDraft, withDraft } from "./settings-draft.ts";
import { presentedCertificate, shownClient } from "./shown-certificates.ts";

export interface EvaluationDependencies extends Omit<DomainWriteDependencies, "store"> {
  readonly store: DomainWriteDependencies["store"] & Pick<Store, "changesAfter" | "loadAll">;
  readonly vault: Pick<KeyVault, "get">;
  readonly edgeReports: Pick<EdgeReports, "list">;
  /**
   * Judges chains of evaluations alone: its bounds are no part of those of live mail. null = there is none
   * here.
   */
  readonly chainVerifier: ClientChainVerifier | null;
  /** PEM of what `publicRoots: true` stands for. */
  readonly publicRoots: readonly string[];
}

export interface EvaluationOptions {
  /** `?sharedHosts=move` of a write of the draft. */
  readonly moveSharedHosts: boolean;
}

/** Domains of an account on another account's host that are looked at: beyond, the host counts as unknown. */
const NAMING_LOOKED_AT = 200;

/** Evaluates sessions for one caller at a time. Nothing is written. */
export class EvaluationService {
  readonly #deps: EvaluationDependencies;
  readonly #settings: FollowedSettings;
  readonly #contents: TrustContentLoader;
  readonly #trust: JudgingEdge["trust"];

  constructor(deps: EvaluationDependencies) {
    this.#deps = deps;
    this.#settings = new FollowedSettings(deps.store);
    this.#contents = createTrustContentLoader(deps.vault, () => undefined);
    this.#trust = createTrustResolver(deps.publicRoots);
  }

  /** @throws RuleViolation; InvalidInput; TooLarge; as a write of the draft; Unavailable */
  async evaluate(actor: Actor, input: EvaluationInput, options: EvaluationOptions): Promise<Evaluation> {
    checkContradictions(input);
    const session = describedSession(input);
    const stored = await this.#settings.current();
    const edges = await this.#deps.edgeReports.list();
    const named = session.recipient.kind === "mailbox" ? toDomainName(session.recipient.domain) : null;
    const place = placeOf(edges, {
      listener: input.listener,
      recipientDomain: named,
      isKnown: (domain) => knowsListenerOf(actor, stored, domain),
    });
    const postmaster = postmasterOf(actor, stored, place.edge);
    const recipientDomain = recipientOf(session.recipient, { ...place.listener, postmaster })?.domain ?? null;
    const draft = draftOf(input, options);
    if (draft !== null && recipientDomain === null) throw noDomainForDraft(draft);
    const drafted =
      draft === null || recipientDomain === null
        ? stored
        : await withDraft(this.#deps, stored, { actor, name: recipientDomain, draft });
    const snapshot = await this.#withContents(drafted, recipientDomain);
    const atMs = input.at === undefined ? null : Date.parse(input.at);
    const nowMs = atMs ?? this.#deps.clock.now();
    const judged = await judgeSession(session, {
      ...(await this.#knownTo(actor, snapshot, { session, recipientDomain })),
      situation: { snapshot, nowMs, ...place },
      trust: this.#trust,
      chainVerifier: this.#deps.chainVerifier,
      atMs,
      clientKey: `${actor.account}/${actor.name}`,
      hasCertificate: hasCertificate(snapshot, place.edge),
      postmaster,
      passesOn: place.edge?.passesOn ?? false,
    });
    const { choice, peer, judged: recipient, open, explanation, ...outcome } = judged;
    const isWaiting = recipientDomain !== null && (await this.#isPending(actor, snapshot, recipientDomain));
    return {
      ...outcome,
      explanation: isWaiting ? explanation.map((row) => pendingRow(row, recipientDomain)) : explanation,
      certificate: choice === null ? null : presentedCertificate(actor, choice, place.edge),
      clientCertificateRequested: choice?.ask ?? false,
      clientCertificate: shownClient({ session, choice, peer, recipient, open }),
      listener: place.listener,
      at: timestamp(nowMs),
      revision: stored.revision,
    };
  }

  /** Whether the account has the domain, and edges do not see it yet. */
  async #isPending(actor: Actor, snapshot: Snapshot, name: DomainName): Promise<boolean> {
    if (snapshot.domain(name) !== undefined) return false;
    const domain = (await this.#deps.store.getDomainWithHosts(name))?.domain;
    return domain?.account === actor.account && isPending(domain);
  }

  /** With the contents of the trust stores that the recipient's domain names. */
  async #withContents(snapshot: Snapshot, name: DomainName | null): Promise<Snapshot> {
    const domain = name === null ? undefined : snapshot.domain(name);
    if (domain === undefined || domain === "unusable") return snapshot;
    const ids = domain.tls.clientCertificate.trust.trustStoreIds;
    const stores = ids.flatMap((id) => snapshot.trustStore(id) ?? []);
    return stores.length === 0 ? snapshot : withTrustContents(snapshot, await this.#contents.load(stores));
  }

  /** Whether the account owns the host, or a domain of it that edges have names it: not as pending. */
  async #isNamedBy(actor: Actor, snapshot: Snapshot, host: DomainName): Promise<boolean> {
    const { store } = this.#deps;
    if ((await store.getMxHosts([host])).get(host)?.account === actor.account) return true;
    const { names } = await store.firstDomainsOnHosts(actor.account, [host], NAMING_LOOKED_AT);
    return names.some((name) => {
      const domain = snapshot.domain(name);
      return typeof domain === "object" && domain.mxHosts.includes(host);
    });
  }

  /** What of the settings the caller's account may see; everything else is as absent. */
  async #knownTo(
    actor: Actor,
    snapshot: Snapshot,
    about: { readonly session: DescribedSession; readonly recipientDomain: DomainName | null },
  ): Promise<Pick<JudgingEdge, "knowsHost" | "knowsDomain">> {
    const { store } = this.#deps;
    const { session, recipientDomain: name } = about;
    const domain = name === null ? undefined : snapshot.domain(name);
    const knowsDomain =
      domain === "unusable" && name !== null
        ? await ownsUnreadable(store, actor, name)
        : domain !== undefined && domain !== "unusable" && domain.account === actor.account;
    const sni = session.sni === undefined ? null : toDomainName(session.sni);
    const named = knowsDomain && typeof domain === "object" && sni !== null && domain.mxHosts.includes(sni);
    const knowsHost =
      named ||
      (sni !== null && snapshot.host(sni) !== undefined && (await this.#isNamedBy(actor, snapshot, sni)));
    return { knowsDomain: () => knowsDomain, knowsHost: () => knowsHost };
  }
}

/** Row 1 of a domain whose own account asks. */
const pendingRow = (row: RowExplanation, name: DomainName): RowExplanation =>
  row.reason === "relay-denied"
    ? {
        ...row,
        text: `${name} is pending: it is served once the TXT record ${ownershipName(name)} holds the value of its ownership, or the operator confirms it`,
      }
    : row;

/** What a request says that cannot hold together. */
function checkContradictions({ protocol, sni, clientChainPem, settings, exceptions }: EvaluationInput): void {
  const issues: Issue[] = [];
  const inPlaintext = (pointer: string, what: string): void => {
    const message = `${what} is sent in a TLS handshake, and without protocol the session is in plaintext`;
    issues.push({ pointer, code: "tls-without-protocol", message });
  };
  if (protocol === null && sni !== undefined) inPlaintext("/sni", "a server name");
  if (protocol === null && clientChainPem !== undefined)
    inPlaintext("/clientChainPem", "a client certificate");
  if (settings !== undefined && exceptions !== undefined) {
    const message = "settings hold exceptions already: send one of the two drafts";
    issues.push({ pointer: "/exceptions", code: "two-drafts", message });
  }
  if (issues.length > 0) throw new RuleViolation(issues);
}

/** The fields were checked by their schema. */
function describedSession(input: EvaluationInput): DescribedSession {
  const { clientAddress, sni, protocol, helo, clientChainPem, mailFrom, rcptTo } = input;
  const sender = pathOf(mailFrom, "MAIL FROM");
  const recipient = pathOf(rcptTo, "RCPT TO");
  const address = canonicalAddress(clientAddress);
  if (sender === null || recipient === null || address === null)
    throw new TypeError("an address passed its schema and cannot be read");
  const peer = clientChainPem === undefined ? null : readClientChain(clientChainPem);
  return { clientAddress: address, sni, protocol, helo, peer, sender, recipient };
}

function draftOf(
  { settings, exceptions }: EvaluationInput,
  { moveSharedHosts }: EvaluationOptions,
): SettingsDraft | null {
  if (settings !== undefined) return { kind: "settings", settings, moveSharedHosts };
  return exceptions === undefined ? null : { kind: "exceptions", exceptions };
}

const noDomainForDraft = ({ kind }: SettingsDraft): RuleViolation =>
  new RuleViolation([
    {
      pointer: `/${kind}`,
      code: "draft-without-domain",
      message: "rcptTo names no domain that could have settings",
    },
  ]);

function isOwn({ account }: Actor, snapshot: Snapshot, name: DomainName): boolean {
  const domain = snapshot.domain(name);
  return typeof domain === "object" && domain.account === account;
}

/** Listeners are the operator's; one that is dedicated to a domain is its account's to know, too. */
function knowsListenerOf(actor: Actor, snapshot: Snapshot, name: DomainName): boolean {
  const isHeld = typeof snapshot.domain(name) === "object";
  return isHeld ? isOwn(actor, snapshot, name) : actor.account === OPERATOR_ACCOUNT;
}

async function ownsUnreadable(
  store: Pick<Store, "getUnreadable">,
  { account }: Actor,
  name: DomainName,
): Promise<boolean> {
  return (await store.getUnreadable("domain", name, account))?.isOwn === true;
}

/** Where bare postmaster goes: the operator's to know, and that of the account whose domain it is. */
function postmasterOf(actor: Actor, snapshot: Snapshot, edge: ReportedEdge | null): Mailbox | null {
  const text = edge?.postmaster ?? null;
  const domain = text === null ? null : domainOfMailbox(text);
  if (text === null || domain === null) return null;
  const isKnown = isOwn(actor, snapshot, domain) || actor.account === OPERATOR_ACCOUNT;
  return isKnown ? { localPart: text.slice(0, text.lastIndexOf("@")), domain } : null;
}

/** An edge has a default certificate, or serves one of the settings; without a report it is assumed. */
function hasCertificate(snapshot: Snapshot, edge: ReportedEdge | null): boolean {
  if (edge === null || edge.certificates.length > 0 || edge.omitted > 0) return true;
  for (const { material } of snapshot.certificates()) if (material !== null) return true;
  return false;
}
