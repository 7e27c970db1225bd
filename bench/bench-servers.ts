import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeMaterial, type CertificateMaterial } from "../core/x509/serving-material.ts";
import { type Postfix, startPostfix } from "../test/support/peers/postfix.ts";
import { issueClient, issueServer, makeCa, type TestCa } from "../test/support/pki.ts";
import { materialOf } from "../test/support/test-edge.ts";
import { type BenchSettings, writeSettings } from "./bench-settings.ts";
import { type MeasuredServer, startServer } from "./measured-process.ts";

export type ServerName = "postern" | "smtp-server" | "postfix";

/** A server under load, with the parameters that the generator needs. */
export interface RunningServer {
  readonly smtpPort: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface BenchMaterial {
  readonly server: CertificateMaterial;
  readonly clientRoot: TestCa;
  /** Files for the generator: a client certificate of `clientRoot` with its key. */
  readonly clientCertPath: string;
  readonly clientKeyPath: string;
  readonly clientRootPath: string;
}

/** One set of keys for all servers of a row, so that their cryptographic work is equal. */
export function makeMaterial(directory: string, keyType: "ecdsa-p256" | "rsa-2048"): BenchMaterial {
  mkdirSync(directory, { recursive: true });
  const clientRoot = makeCa();
  const client = issueClient({ names: ["client.example"], ca: clientRoot });
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  return {
    server: materialOf(issueServer({ names: ["mx.example.net"], keyType, ca: makeCa() })),
    clientRoot,
    clientCertPath: file("client.pem", client.bundlePem),
    clientKeyPath: file("client.key", client.privateKeyPem),
    clientRootPath: file("client-root.pem", clientRoot.rootPem),
  };
}

/** The worker with separate settings, below `directory`. */
export async function startPostern(
  directory: string,
  material: BenchMaterial,
  settings: BenchSettings,
): Promise<MeasuredServer> {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "default-certificate.json"), encodeMaterial(material.server), {
    mode: 0o600,
  });
  await writeSettings(directory, settings);
  return startServer("postern-server.ts", [directory]);
}

export function startBare(
  directory: string,
  material: BenchMaterial,
  asks: boolean,
): Promise<MeasuredServer> {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "default-certificate.json"), encodeMaterial(material.server), {
    mode: 0o600,
  });
  return startServer("bare-server.ts", asks ? [directory, material.clientRootPath] : [directory]);
}

/**
 * Postfix's smtpd; accepted mail goes through its queue to `discard`. @throws without Postfix, and without
 * root.
 */
export async function startPostfixServer(
  material: BenchMaterial,
  { asks, smtpPort }: { readonly asks: boolean; readonly smtpPort: number },
): Promise<RunningServer> {
  const key = material.server.keys[0];
  if (key === undefined) throw new Error("no key");
  const postfix = await startPostfix({
    services: [`127.0.0.1:${smtpPort} inet n - n - 200 smtpd`],
    files: {
      "server.pem": key.privateKeyPem + key.certificateChainPem,
      "client-root.pem": material.clientRoot.rootPem,
    },
    settings: {
      smtpd_tls_chain_files: "$config_directory/server.pem",
      smtpd_tls_security_level: "may",
      smtpd_tls_CAfile: "$config_directory/client-root.pem",
      smtpd_tls_ask_ccert: asks ? "yes" : "no",
      smtpd_tls_session_cache_database: "",
      smtpd_relay_restrictions: "permit_mynetworks, reject",
      smtpd_client_connection_count_limit: "0",
      message_size_limit: "52428800",
      default_transport: "discard:",
      relay_transport: "discard:",
    },
  });
  return { smtpPort, pid: masterOf(postfix), stop: postfix.stop };
}

const masterOf = ({ directory }: Postfix): number =>
  Number(readFileSync(join(directory, "queue", "pid", "master.pid"), "utf8").trim());
