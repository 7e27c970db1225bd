/** All metrics of an edge. The one table of their names. */

import { REASONS } from "../../core/policy/verdict.ts";
import { DELIVERY_FAILURES } from "../../core/delivery/delivery.ts";
import { CERTIFICATE_PROBLEM_REASONS } from "../../core/edge-report/edge-reports.ts";
import { LIMIT_TABLE } from "../config/limits.ts";
import type { MetricTable } from "./metric-registry.ts";
import { ACCEPT_REFUSALS, HANDSHAKE_FAILURES } from "../event/edge-event.ts";
import { SESSION_ENDS } from "../event/session-record.ts";

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const LONG_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800];

/**
 * How long a next hop has taken no message before it counts as failing: senders try again after some minutes,
 * and one that is only busy takes a message in between.
 */
export const FAILING_AFTER_MS = 600_000;

/**
 * Every metric that a worker shows on /metrics, and what CloudWatch gets of it. The one table of their names:
 * the lines that carry them to CloudWatch, the dashboard and the alarms of infra/ are made from it.
 */
export const METRICS = {
  buildInfo: {
    name: "postern_build_info",
    kind: "gauge",
    labels: ["release", "node"],
    help: "Always 1; which release this is.",
  },
  ready: {
    name: "postern_ready",
    kind: "gauge",
    labels: [],
    help: "1 while /ready answers 200.",
    cloudWatch: [{ name: "Ready" }],
  },
  draining: { name: "postern_draining", kind: "gauge", labels: [], help: "1 since SIGTERM." },
  settingsRevision: {
    name: "postern_settings_revision",
    kind: "gauge",
    labels: [],
    help: "Revision in force for new connections; absent while no settings were ever held.",
  },
  settingsStale: {
    name: "postern_settings_stale_seconds",
    kind: "gauge",
    labels: [],
    help: "For how long the store has not been read; 0 while all is well.",
    cloudWatch: [{ name: "SettingsStaleSeconds" }],
  },
  settingsDomains: {
    name: "postern_settings_domains",
    kind: "gauge",
    labels: [],
    help: "Domains with readable settings.",
  },
  settingsUnreadable: {
    name: "postern_settings_unreadable",
    kind: "gauge",
    labels: [],
    help: "Stored items that cannot be read; their previous versions stay in force.",
    cloudWatch: [{ name: "SettingsUnreadable" }, { name: "SettingsNewlyUnreadable", rise: true }],
  },
  settingsPolls: {
    name: "postern_settings_polls_total",
    kind: "counter",
    labels: ["result"],
    help: "Polls of the change log by what they found.",
  },
  edgeReports: {
    name: "postern_edge_reports_total",
    kind: "counter",
    labels: ["result"],
    help: "Reports of this edge to the store.",
    cloudWatch: [{ name: "EdgeReportsFailed", where: { result: "failed" } }],
  },
  connections: {
    name: "postern_connections_total",
    kind: "counter",
    labels: ["listener"],
    help: "Connections that became a session.",
    cloudWatch: [{ name: "Connections" }],
  },
  connectionsOpen: {
    name: "postern_connections_open",
    kind: "gauge",
    labels: [],
    help: "Connections at this moment.",
    cloudWatch: [{ name: "ConnectionsOpen" }],
  },
  bytesInFlight: {
    name: "postern_bytes_in_flight",
    kind: "gauge",
    labels: [],
    help: "Octets of messages begun and not yet answered.",
    cloudWatch: [{ name: "BytesInFlight" }],
  },
  healthChecks: {
    name: "postern_health_checks_total",
    kind: "counter",
    labels: ["listener"],
    help: "Connections of a load balancer itself (PROXY LOCAL).",
  },
  connectionsRefused: {
    name: "postern_connections_refused_total",
    kind: "counter",
    labels: ["listener", "reason"],
    help: "Connections that ended before a session, other than by a limit.",
    cloudWatch: [
      { name: "ConnectionsRefused" },
      { name: "ConnectionsRefused", by: { label: "reason", values: ACCEPT_REFUSALS } },
    ],
  },
  healthConnectionsRefused: {
    name: "postern_health_connections_refused_total",
    kind: "counter",
    labels: ["reason"],
    help: "Connections to HEALTH_PORT that were closed before HTTP began: a PROXY header that is malformed, late or incomplete.",
  },
  limitHits: {
    name: "postern_limit_hits_total",
    kind: "counter",
    labels: ["listener", "limit"],
    help: "Limits that were hit, by their names in LIMITS.",
    cloudWatch: [
      { name: "LimitHits" },
      { name: "LimitHits", by: { label: "limit", values: Object.keys(LIMIT_TABLE) } },
    ],
  },
  handshakes: {
    name: "postern_tls_handshakes_total",
    kind: "counter",
    labels: ["listener", "protocol", "cipher", "client_certificate"],
    help: "TLS handshakes that succeeded.",
    cloudWatch: [{ name: "Handshakes" }],
  },
  handshakeSeconds: {
    name: "postern_tls_handshake_seconds",
    kind: "histogram",
    labels: ["listener"],
    help: "From 220 to the end of the handshake.",
    buckets: SECONDS,
  },
  handshakeFailures: {
    name: "postern_tls_handshake_failures_total",
    kind: "counter",
    labels: ["listener", "reason", "sni", "offered"],
    help: "TLS handshakes that failed: senders that are invisible otherwise.",
    cloudWatch: [
      { name: "HandshakesFailed" },
      { name: "HandshakesFailed", by: { label: "reason", values: HANDSHAKE_FAILURES } },
    ],
  },
  recipients: {
    name: "postern_recipients_total",
    kind: "counter",
    labels: ["listener", "outcome", "reason", "circumstance", "client_certificate"],
    help: "Verdicts, one for each recipient; under observe the outcome is accept and the reason is set.",
    cloudWatch: [
      { name: "Verdicts" },
      { name: "RecipientsAccepted", where: { outcome: "accept" } },
      { name: "RecipientsDeferred", where: { outcome: "defer" } },
      { name: "RecipientsRejected", where: { outcome: "reject" } },
      { name: "Verdicts", by: { label: "reason", values: REASONS } },
    ],
  },
  messagesAccepted: {
    name: "postern_messages_accepted_total",
    kind: "counter",
    labels: ["listener", "route"],
    help: "Messages that were answered 250.",
    cloudWatch: [{ name: "MessagesDelivered" }],
  },
  messageBytes: {
    name: "postern_message_bytes_total",
    kind: "counter",
    labels: ["listener", "route"],
    help: "Octets of accepted messages.",
    cloudWatch: [{ name: "BytesDelivered" }],
  },
  messageRecipients: {
    name: "postern_message_recipients_total",
    kind: "counter",
    labels: ["listener", "route"],
    help: "Recipients of accepted messages.",
  },
  messageSeconds: {
    name: "postern_message_seconds",
    kind: "histogram",
    labels: ["route"],
    help: "From 354 to 250.",
    buckets: LONG_SECONDS,
  },
  messagesRefused: {
    name: "postern_messages_refused_total",
    kind: "counter",
    labels: ["listener", "reply"],
    help: "Messages refused for what is in them.",
    cloudWatch: [{ name: "MessagesRefused" }],
  },
  messagesAborted: {
    name: "postern_messages_aborted_total",
    kind: "counter",
    labels: ["listener"],
    help: "Messages whose client left before the dot.",
    cloudWatch: [{ name: "MessagesAborted" }],
  },
  deliveryFailures: {
    name: "postern_delivery_failures_total",
    kind: "counter",
    labels: ["listener", "route", "stage", "outcome", "cause", "phase"],
    help: "Recipients and messages that the next hop or the storage did not take.",
    cloudWatch: [
      { name: "DeliveriesFailed" },
      { name: "DeliveriesDeferred", where: { outcome: "defer" } },
      { name: "DeliveriesRejected", where: { outcome: "reject" } },
      { name: "DeliveriesFailed", by: { label: "cause", values: DELIVERY_FAILURES } },
    ],
  },
  deliveryFailing: {
    name: "postern_delivery_failing_seconds",
    kind: "gauge",
    labels: [],
    help: "For how long DELIVERY has deferred all mail, from the first failure to the last; 0 while it takes mail.",
    cloudWatch: [{ name: "DeliveryFailingSeconds" }],
  },
  nextHopsFailing: {
    name: "postern_next_hops_failing",
    kind: "gauge",
    labels: [],
    help: "Next hops of domains that have deferred all mail for ten minutes or longer.",
    cloudWatch: [{ name: "NextHopsFailing" }, { name: "NextHopsNewlyFailing", rise: true }],
  },
  contexts: {
    name: "postern_tls_contexts_total",
    kind: "counter",
    labels: ["outcome"],
    help: "Uses of TLS contexts: found ready, built, or failed to build.",
    cloudWatch: [{ name: "TlsContextsFailed", where: { outcome: "failed" } }],
  },
  contextsCached: {
    name: "postern_tls_contexts_cached",
    kind: "gauge",
    labels: [],
    help: "TLS contexts held ready.",
  },
  certificateProblems: {
    name: "postern_certificate_problems_total",
    kind: "counter",
    labels: ["reason"],
    help: "Certificate material that did not load; the version before, or the default certificate, serves.",
    cloudWatch: [
      { name: "CertificateProblems", by: { label: "reason", values: CERTIFICATE_PROBLEM_REASONS } },
    ],
  },
  certificateRecoveries: {
    name: "postern_certificate_recoveries_total",
    kind: "counter",
    labels: [],
    help: "Certificate material that did not load at first and then did.",
  },
  certificatesNotLoaded: {
    name: "postern_certificates_not_loaded",
    kind: "gauge",
    labels: [],
    help: "Certificates whose present version does not load.",
    cloudWatch: [{ name: "CertificatesNotLoaded" }, { name: "CertificatesNewlyBroken", rise: true }],
  },
  // Without a value in CloudWatch: edges on AWS make a new one every day.
  defaultCertificateNotAfter: {
    name: "postern_default_certificate_not_after_seconds",
    kind: "gauge",
    labels: [],
    help: "End of the default certificate, seconds since the epoch: in the past, senders that verify reject it.",
  },
  chainVerifierMissing: {
    name: "postern_chain_verifier_missing",
    kind: "gauge",
    labels: [],
    help: "1 while no program can judge chains of client certificates apart from the handshake.",
    cloudWatch: [{ name: "ChainVerifierMissing" }],
  },
  sessions: {
    name: "postern_sessions_total",
    kind: "counter",
    labels: ["listener", "end"],
    help: "Sessions by how they ended.",
    cloudWatch: [{ name: "Sessions" }, { name: "Sessions", by: { label: "end", values: SESSION_ENDS } }],
  },
  sessionSeconds: {
    name: "postern_session_seconds",
    kind: "histogram",
    labels: ["listener"],
    help: "Length of sessions.",
    buckets: LONG_SECONDS,
  },
  internalErrors: {
    name: "postern_internal_errors_total",
    kind: "counter",
    labels: [],
    help: "Errors that no code expected.",
    cloudWatch: [{ name: "InternalErrors" }],
  },
  processStart: {
    name: "process_start_time_seconds",
    kind: "gauge",
    labels: [],
    help: "Start of the process, seconds since the epoch.",
  },
  processMemory: {
    name: "process_resident_memory_bytes",
    kind: "gauge",
    labels: [],
    help: "Resident memory.",
    cloudWatch: [{ name: "MemoryBytes" }],
  },
  processCpu: {
    name: "process_cpu_seconds_total",
    kind: "counter",
    labels: [],
    help: "User and system CPU time.",
  },
} as const satisfies MetricTable;
