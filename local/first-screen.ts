import type { ReportedListener } from "../core/edge-report/edge-reports.ts";
import { hostAndPort, httpUrl, type Running } from "./running.ts";

export interface FirstScreen {
  readonly running: Running;
  /** False = the settings could not be read, so no mail is taken yet. */
  readonly hasSettings: boolean;
  /** All of them, the shared one of SMTP_HOST and SMTP_PORT first. */
  readonly listeners: readonly ReportedListener[];
  readonly tokenPath: string;
  /** The token itself, at the one start that made it; null afterwards. */
  readonly newToken: string | null;
  /** The folder of package.json. */
  readonly packageDir: string;
  readonly dataDir: string;
  /** The default of DATA_DIR. */
  readonly defaultDataDir: string;
  /** Facts that a person should know at once. */
  readonly notes: readonly string[];
}

/** What `npm start` shows when it serves: addresses, the token's place, three lines to copy. */
export function firstScreen(screen: FirstScreen): string {
  const { running, listeners, tokenPath, newToken, notes } = screen;
  const api = httpUrl(running.api);
  const rows = [
    ["API", api],
    ["API docs", `${api}/docs`],
    ["SMTP", `${hostAndPort(running.smtp)}, as ${running.smtpName}`],
    ...listeners.slice(1).map((listener) => ["", listenerText(listener)]),
    ["Health", `${httpUrl(running.health)}/ready and /metrics`],
    ["Mail", running.delivery],
    ["API token", tokenPath],
    ...(newToken === null ? [] : [["", `${newToken} (shown this once)`]]),
  ];
  return [
    screen.hasSettings
      ? "Postern is running."
      : "Postern has started WITHOUT SETTINGS: they could not be read, and no mail is accepted until they are.",
    "",
    ...rows.map(([name = "", value = ""]) => `  ${name.padEnd(10)}  ${value}`),
    "",
    ...notes.map((note) => `  Note: ${note}`),
    ...(notes.length === 0 ? [] : [""]),
    "Three lines to copy into another terminal; each can be run again.",
    "",
    "  Create a domain that requires TLS, example.com:",
    tryLine("domain", screen),
    "  Send mail to it in plaintext, and see it refused:",
    tryLine("plaintext", screen),
    "  Send it over TLS, and see it arrive:",
    tryLine("tls", screen),
    "",
    "Ctrl-C ends it. Logs follow as JSON on standard error.",
    "",
  ].join("\n");
}

function listenerText({ name, address, port, domain, proxyProtocol }: ReportedListener): string {
  const what = [
    name,
    ...(domain === null ? [] : [`for ${domain}`]),
    ...(proxyProtocol ? ["behind a proxy"] : []),
  ];
  return `${hostAndPort({ host: address, port })} (${what.join(", ")})`;
}

function tryLine(step: string, { packageDir, dataDir, defaultDataDir }: FirstScreen): string {
  const place = dataDir === defaultDataDir ? "" : ` ${shellQuoted(dataDir)}`;
  return `    npm --prefix ${shellQuoted(packageDir)} run -s try ${step}${place}`;
}

/** A path as one word of every shell that people paste into. */
function shellQuoted(text: string): string {
  return /^[A-Za-z0-9_\-./]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
