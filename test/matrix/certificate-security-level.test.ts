import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { parsePemBundle, type PemBundle } from "../../core/certificate/pem-bundle.ts";
import { issueServer, makeCa, type IssueOptions, type TestCa } from "../support/pki.ts";

const names = ["mx.example"];
const ciphers = "DEFAULT@SECLEVEL=2";
const root = makeCa();

/** Whether OpenSSL at level 2 serves the upload as it is, and a client at level 2 that trusts the root believes it. */
async function served(bundle: PemBundle, ca: string): Promise<boolean> {
  const { certificatePem, chainPem = "", privateKeyPem = "" } = bundle;
  try {
    const server = createServer({ cert: certificatePem + chainPem, key: privateKeyPem, ciphers });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const client = connect({ port, host: "127.0.0.1", servername: "mx.example", ca, ciphers });
    try {
      await once(client, "secureConnect");
      return client.authorized;
    } finally {
      client.destroy();
      server.close();
    }
  } catch {
    return false;
  }
}

function taken(bundle: PemBundle): boolean {
  try {
    parsePemBundle(bundle, { nowMs: Date.now() });
    return true;
  } catch {
    return false;
  }
}

const upload = (options: Partial<IssueOptions> & { ca: TestCa }): PemBundle => {
  const { certificatePem, chainPem, privateKeyPem } = issueServer({ names, ...options });
  return { certificatePem, privateKeyPem, ...(chainPem === "" ? {} : { chainPem }) };
};

describe("an upload and OpenSSL at security level 2", () => {
  it.each<[string, Partial<IssueOptions>, boolean]>([
    ["ECDSA P-256", {}, true],
    ["ECDSA P-384 signed with SHA-512", { keyType: "ecdsa-p384", hash: "sha512" }, true],
    ["RSA 2048", { keyType: "rsa-2048" }, true],
    ["RSA 1024", { keyType: "rsa-1024" }, false],
    ["a SHA-1 signature", { hash: "sha1" }, false],
    ["an MD5 signature", { hash: "md5", ca: makeCa({ keyType: "rsa-2048" }) }, false],
    ["an intermediate with RSA 1024", { ca: makeCa({ parent: root, keyType: "rsa-1024" }) }, false],
    ["an intermediate with a SHA-1 signature", { ca: makeCa({ parent: root, hash: "sha1" }) }, false],
  ])("agree on %s", async (_case, options, good) => {
    const ca = options.ca ?? root;
    const bundle = upload({ ...options, ca });
    expect({ taken: taken(bundle), served: await served(bundle, ca.rootPem) }).toEqual({
      taken: good,
      served: good,
    });
  });

  it("agree on a root with a SHA-1 signature at the end of a chain: nobody relies on it", async () => {
    const old = makeCa({ hash: "sha1" });
    const bundle = { ...upload({ ca: old }), chainPem: old.rootPem };
    expect({ taken: taken(bundle), served: await served(bundle, old.rootPem) }).toEqual({
      taken: true,
      served: true,
    });
  });
});
