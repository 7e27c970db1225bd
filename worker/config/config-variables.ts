/** One variable of the environment as people meet it. */
export interface Variable {
  /** As the table in docs/configuration.md writes it. */
  readonly defaultText: string;
  readonly meaning: string;
  /** Never printed. */
  readonly secret?: true;
}

/** Every variable there is. The one table of their names: schema, `--help` and the docs' table are checked against it. */
export const VARIABLES = {
  API_HOST: { defaultText: "127.0.0.1", meaning: "address of the HTTP API and of HEALTH_PORT" },
  API_PORT: { defaultText: "8080", meaning: "port of the HTTP API; 0 = any free one" },
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
  HEALTH_PORT: { defaultText: "8081", meaning: "port of /live, /ready and /metrics; 0 = any free one" },
  DATA_DIR: { defaultText: "./.data", meaning: "settings, keys, default certificate, token and mail" },
  API_TOKEN: {
    defaultText: "made at first start",
    meaning: "bearer token with every scope; kept in DATA_DIR when not given here",
    secret: true,
  },
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
    meaning:
      "namespace of CloudWatch: a line a minute in its embedded metric format, in the log whatever LOG_LEVEL says",
  },
  LOG_LEVEL: { defaultText: "info", meaning: "trace, debug, info, warn, error, fatal or silent" },
} as const satisfies Readonly<Record<string, Variable>>;

export type VariableName = keyof typeof VARIABLES;

/** What `npm start -- --help` prints. */
export function helpText(): string {
  const rows = Object.entries(VARIABLES).map(
    ([name, { defaultText, meaning }]) =>
      `  ${name.padEnd(26)} ${meaning}\n  ${"".padEnd(26)} default: ${defaultText}`,
  );
  return [
    "Postern: the gate for incoming mail. API and SMTP worker in one process, settings kept in DATA_DIR.",
    "",
    "  npm start            starts it; stops on SIGTERM and Ctrl-C with no message lost",
    "  npm start -- --new   the same with empty settings, where DATA_DIR was used and its settings database is gone",
    "  npm start -- --help  this page",
    "",
    "Variables of the environment; a wrong one stops the start (exit code 78) with its name and the reason:",
    "",
    ...rows,
    "",
  ].join("\n");
}
