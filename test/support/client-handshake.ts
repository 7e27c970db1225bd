import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { connect, createSecureContext, TLSSocket, type SecureVersion } from "node:tls";
import type { ResolvedTrust } from "../../core/policy/chain-verifier.ts";
import { issueServer, makeCa } from "./pki.ts";

/**
 * What a TLS server learned of a client in a handshake that asked for a certificate and refused no client.
 */
export interface ClientHandshake {
  /** OpenSSL's verdict; its code is the last error, not the only one. */
  readonly ok: boolean;
  readonly code: string | null;
  /** DER, as it came. */
  readonly chain: readonly Buffer[];
}

export interface PresentingClient {
  readonly chainPem: string;
  readonly privateKeyPem: string;
}

const server = issueServer({ names: ["mx.example"], ca: makeCa() });

/** One handshake over loopback, with a context as the edge makes it for this trust. */
export async function handshakeWith(
  client: PresentingClient,
  { trust, version }: { readonly trust: ResolvedTrust; readonly version: SecureVersion },
): Promise<ClientHandshake> {
  const secureContext = createSecureContext({
    cert: server.bundlePem,
    key: server.privateKeyPem,
    ca: [...trust.anchorsPem],
    ...(trust.crlsPem.length === 0 ? {} : { crl: [...trust.crlsPem] }),
    allowPartialTrustChain: true,
    ciphers: "DEFAULT@SECLEVEL=2",
  });
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const sender = connect({
    port,
    host: "127.0.0.1",
    cert: client.chainPem,
    key: client.privateKeyPem,
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    // A client may present a certificate that the edge would not accept.
    ciphers: "DEFAULT@SECLEVEL=0",
  });
  sender.on("error", () => undefined);
  try {
    const [raw] = (await once(listener, "connection")) as [Socket];
    const options = { isServer: true, secureContext, requestCert: true, rejectUnauthorized: false };
    const socket = new TLSSocket(raw, options);
    await Promise.race([
      once(socket, "secure"),
      once(socket, "_tlsError").then(([error]) => Promise.reject(error as Error)),
    ]);
    return learnedFrom(socket);
  } finally {
    sender.destroy();
    listener.close();
  }
}

function learnedFrom(socket: TLSSocket): ClientHandshake {
  const handle: unknown = Reflect.get(socket, "_handle");
  const error = (handle as { verifyError(): (Error & { code: string }) | null | undefined }).verifyError();
  const chain: Buffer[] = [];
  // Once only: getPeerX509Certificate takes the chain away, and a second call shows the leaf alone (Node
  // 24.21).
  for (let next = socket.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate) {
    chain.push(next.raw);
  }
  socket.destroy();
  return { ok: error === null || error === undefined, code: error?.code ?? null, chain };
}
