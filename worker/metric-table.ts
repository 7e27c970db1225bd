import type { MetricTable } from "./metric-registry.ts";

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const LONG_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800];

/** Every metric that a worker shows on /metrics. The one table of their names. */
export const METRICS = {
  buildInfo: {
    name: "postern_build_info",
    kind: "gauge",
    labels: ["release", "node"],
    help: "Always 1; which release this is.",
  },
  ready: { name: "postern_ready", kind: "gauge", labels: [], help: "1 while /ready answers 200." },
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
  },
  connections: {
    name: "postern_connections_total",
    kind: "counter",
    labels: ["listener"],
    help: "Connections that became a session.",
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
  },
  limitHits: {
    name: "postern_limit_hits_total",
    kind: "counter",
    labels: ["listener", "limit"],
    help: "Limits that were hit, by their names in LIMITS.",
  },
  handshakes: {
    name: "postern_tls_handshakes_total",
    kind: "counter",
    labels: ["listener", "protocol", "cipher", "client_certificate"],
    help: "TLS handshakes that succeeded.",
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
  },
  recipients: {
    name: "postern_recipients_total",
    kind: "counter",
    labels: ["listener", "outcome", "reason", "circumstance", "client_certificate"],
    help: "Verdicts, one for each recipient; under observe the outcome is accept and the reason is set.",
  },
  messagesAccepted: {
    name: "postern_messages_accepted_total",
    kind: "counter",
    labels: ["listener", "route"],
    help: "Messages that were answered 250.",
  },
  messageBytes: {
    name: "postern_message_bytes_total",
    kind: "counter",
    labels: ["listener", "route"],
    help: "Octets of accepted messages.",
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
  },
  messagesAborted: {
    name: "postern_messages_aborted_total",
    kind: "counter",
    labels: ["listener"],
    help: "Messages whose client left before the dot.",
  },
  deliveryFailures: {
    name: "postern_delivery_failures_total",
    kind: "counter",
    labels: ["listener", "route", "cause", "stage"],
    help: "Recipients and messages that the next hop or the storage did not take.",
  },
  contexts: {
    name: "postern_tls_contexts_total",
    kind: "counter",
    labels: ["outcome"],
    help: "Uses of TLS contexts: found ready, built, or failed to build.",
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
    labels: [],
    help: "Certificate material that did not load; what served before goes on serving.",
  },
  sessions: {
    name: "postern_sessions_total",
    kind: "counter",
    labels: ["listener", "end"],
    help: "Sessions by how they ended.",
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
  },
  processCpu: {
    name: "process_cpu_seconds_total",
    kind: "counter",
    labels: [],
    help: "User and system CPU time.",
  },
} as const satisfies MetricTable;
