/** One variable of the environment as people meet it. */
export interface Variable {
  /** As the table in docs/configuration.md writes it. */
  readonly defaultText: string;
  readonly meaning: string;
  /** Never printed. */
  readonly secret?: true;
}

/**
 * Variables of an edge. Its schema, `--help` and the table of docs/configuration.md are checked against this
 * table.
 */
export const WORKER_VARIABLES = {
  SMTP_HOST: { defaultText: "127.0.0.1", meaning: "address of the shared SMTP listener" },
  SMTP_PORT: { defaultText: "2525", meaning: "port of the shared SMTP listener; 0 = any free one" },
  SMTP_LISTENERS: {
    defaultText: "[]",
    meaning:
      "JSON: more listeners, [{ port, host?, name?, proxyProtocol?, proxyFrom?: [CIDR], domain? }]; domain = serves it alone",
  },
  SMTP_NAME: {
    defaultText: "the host's FQDN, else localhost",
    meaning: "name in banner, EHLO and Received, and on the default certificate",
  },
  POSTMASTER: {
    defaultText: "none",
    meaning: "mailbox that gets mail to bare <postmaster> on a shared listener",
  },
  HEALTH_HOST: {
    defaultText: "API_HOST; 127.0.0.1 for a worker without the API",
    meaning: "address of HEALTH_PORT",
  },
  HEALTH_PORT: { defaultText: "8081", meaning: "port of /live, /ready and /metrics; 0 = any free one" },
  DATA_DIR: { defaultText: "./.data", meaning: "settings, keys, default certificate, token and mail" },
  DELIVERY: {
    defaultText: "maildir:${DATA_DIR}/mail",
    meaning:
      "where accepted mail goes: maildir:path, smtp://[user:pass@]host:port?tls=…, smtps://, lmtp://, s3://bucket/prefix",
    secret: true,
  },
  DELIVERY_ALLOW: {
    defaultText: "empty",
    meaning: "CIDRs and names, by comma, that next hops set through the API may be beside public addresses",
  },
  SETTINGS_POLL_INTERVAL_MS: { defaultText: "1000", meaning: "between polls of the change log, 50 to 60000" },
  LIMITS: { defaultText: "{}", meaning: "JSON over the limits of the edge, by name" },
  TLS_CIPHERS: { defaultText: "AEAD suites", meaning: "TLS 1.2 cipher suites, OpenSSL's syntax" },
  LINE_ENDS: {
    defaultText: "refuse",
    meaning:
      "a message with a bare CR, a bare LF or NUL: refuse it (550 5.6.0), or make its line ends CRLF and drop NUL",
  },
  LONG_LINES: {
    defaultText: "pass",
    meaning: "a line over 998 octets: pass it on unchanged, or refuse the message (550 5.6.0)",
  },
  SESSION_LOG: {
    defaultText: "all",
    meaning: "sessions with a line in the log: all, problems, or 1/n = problems and every nth of the others",
  },
  METRICS_EMF: {
    defaultText: "none",
    meaning: "CloudWatch namespace: one line a minute in the embedded metric format, logged at any LOG_LEVEL",
  },
  LOG_LEVEL: { defaultText: "info", meaning: "trace, debug, info, warn, error, fatal or silent" },
} as const satisfies Readonly<Record<string, Variable>>;

export type VariableName = keyof typeof WORKER_VARIABLES;
