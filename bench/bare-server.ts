import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";
import { decodeMaterial } from "../core/x509/serving-material.ts";
import { serveParent } from "./measured-process.ts";

/*
 * smtp-server as its manual starts it, with the same certificate and no code of Postern: the baseline of the
 * worker. `node bench/bare-server.ts directory [client-root.pem]`; with a root it requests a client
 * certificate.
 */
const directory = process.argv[2] ?? ".";
const clientRoot = process.argv[3];
const material = decodeMaterial(readFileSync(join(directory, "default-certificate.json")));
const server = new SMTPServer({
  name: "mx.example.net",
  key: material.keys.map(({ privateKeyPem }) => privateKeyPem).join(""),
  cert: material.keys.map(({ certificateChainPem }) => certificateChainPem).join(""),
  minVersion: "TLSv1.2",
  size: 52_428_800,
  authOptional: true,
  disabledCommands: ["AUTH"],
  disableReverseLookup: true,
  logger: false,
  ...(clientRoot === undefined
    ? {}
    : { requestCert: true, rejectUnauthorized: false, ca: readFileSync(clientRoot, "utf8") }),
  onConnect: (_session, done) => done(),
  onMailFrom: (_address, _session, done) => done(),
  onRcptTo: (_address, _session, done) => done(),
  onData(stream, _session, done) {
    stream.on("data", () => undefined);
    stream.on("end", () => done());
  },
});
server.on("error", () => undefined);
const listener = server.listen(0, "127.0.0.1", () => {
  const address = listener.address();
  serveParent({
    smtpPort: typeof address === "object" && address !== null ? address.port : 0,
    healthPort: null,
  });
});
