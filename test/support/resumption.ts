import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import tls, { type ConnectionOptions, type SecureContextOptions, TLSSocket } from "node:tls";
import { SmtpClient } from "./smtp-client.ts";

export interface ResumptionAttempt {
  readonly version: "TLSv1.2" | "TLSv1.3";
  /** Of the connection that earns a session. */
  readonly earnedWith: ConnectionOptions;
  /** Of the one that uses it. */
  readonly usedWith: ConnectionOptions;
}

export interface ResumptionResult {
  /** Sessions and tickets that the server gave, of which each was tried. */
  readonly offered: number;
  /** At least one was taken: OpenSSL says so on the client's side. */
  readonly resumed: boolean;
  /** What RCPT was answered on each connection that tried to resume. */
  readonly replies: readonly string[];
}

/** Earns a session over STARTTLS and tries to use it on new connections. */
export async function tryToResume(
  port: number,
  recipient: string,
  { version, earnedWith, usedWith }: ResumptionAttempt,
): Promise<ResumptionResult> {
  const versions = { minVersion: version, maxVersion: version } as const;
  const sessions: Buffer[] = [];
  const first = await greeted(port);
  const secure = first.startTls({ ...versions, ...earnedWith });
  // Tickets of TLS 1.3 come after the handshake, and before the reply to EHLO.
  const socket = await secure;
  socket.on("session", (session) => sessions.push(session));
  await first.say("EHLO client.example");
  const session = socket.getSession();
  if (session !== undefined) sessions.push(session);
  await first.say("QUIT");
  first.close();

  const replies: string[] = [];
  let resumed = false;
  for (const earned of sessions) {
    const again = await greeted(port);
    const reused = (await again.startTls({ ...versions, ...usedWith, session: earned })).isSessionReused();
    resumed ||= reused;
    await again.say("EHLO client.example");
    await again.say("MAIL FROM:<a@client.example>");
    replies.push(await again.say(`RCPT TO:<${recipient}>`));
    again.close();
  }
  return { offered: sessions.length, resumed, replies };
}

async function greeted(port: number): Promise<SmtpClient> {
  const client = await SmtpClient.connect(port);
  await client.reply();
  await client.say("EHLO client.example");
  return client;
}

/**
 * An SMTP server as one would write it without thinking of sessions: tickets on, and a recipient is taken
 * when the socket says `authorized`. It shows that `tryToResume` can tell.
 */
export async function startCarelessServer(
  context: SecureContextOptions,
): Promise<{ readonly port: number; close(): void }> {
  const secureContext = tls.createSecureContext({ ...context, sessionIdContext: "careless" });
  const server = createServer((raw) => {
    raw.on("error", () => undefined);
    raw.write("220 careless\r\n");
    serve(raw, (socket) => {
      const secure = new TLSSocket(socket, {
        isServer: true,
        secureContext,
        requestCert: true,
        rejectUnauthorized: false,
      });
      secure.on("error", () => undefined);
      serve(secure, () => undefined);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

function serve<T extends Socket>(socket: T, startTls: (socket: T) => void): void {
  const onData = (bytes: Buffer): void => {
    const command = bytes.toString("latin1").trim().toUpperCase();
    if (command === "STARTTLS") {
      socket.off("data", onData);
      socket.write("220 go\r\n");
      return startTls(socket);
    }
    socket.write("250 ok\r\n");
  };
  socket.on("data", onData);
}
