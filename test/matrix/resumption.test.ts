import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CAS, presenting } from "../support/client-kinds.ts";
import { issuerVerifier } from "../support/issuer-verifier.ts";
import { issueServer } from "../support/pki.ts";
import { domainRecord, trustStoreId } from "../support/records.ts";
import { startCarelessServer, tryToResume } from "../support/resumption.ts";
import { startTestEdge, type TestEdge, trustStoreOf } from "../support/test-edge.ts";

const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;

const EARNED = [
  { earned: "without a certificate, at the same name", earnedWith: { servername: "mx.a.example" } },
  { earned: "without a certificate, at another name", earnedWith: { servername: "mx.b.example" } },
  {
    earned: "without a certificate, at a name that asks no client",
    earnedWith: { servername: "mx.c.example" },
  },
  { earned: "without a certificate, at no name", earnedWith: {} },
  {
    earned: "with another domain's certificate, at its name",
    earnedWith: { servername: "mx.b.example", ...presenting("other-ca") },
  },
  {
    earned: "with an untrusted certificate, at the same name",
    earnedWith: { servername: "mx.a.example", ...presenting("untrusted") },
  },
  {
    earned: "with the right certificate, at the same name",
    earnedWith: { servername: "mx.a.example", ...presenting("good") },
  },
] as const;

const cases = VERSIONS.flatMap((version) => EARNED.map((row) => ({ version, ...row })));

describe("a session from an earlier handshake", () => {
  let edge: TestEdge;

  beforeAll(async () => {
    const require = (domain: string, store: number) =>
      domainRecord({
        name: domain,
        mxHosts: [`mx.${domain}`],
        server: { level: "require" },
        clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
        trustStoreIds: [trustStoreId(store)],
      });
    edge = await startTestEdge({
      settings: {
        domains: [
          require("a.example", 1),
          require("b.example", 2),
          domainRecord({ name: "c.example", mxHosts: ["mx.c.example"] }),
        ],
        trustStores: [
          trustStoreOf(trustStoreId(1), CAS.partner.rootPem),
          trustStoreOf(trustStoreId(2), CAS.other.rootPem),
        ],
      },
      chainVerifier: issuerVerifier(),
    });
  });

  afterAll(() => edge.stop());

  it.each(cases)(
    "is not resumed in $version when it was obtained $earned",
    async ({ version, earnedWith }) => {
      const usedWith = { servername: "mx.a.example" };
      const result = await tryToResume(edge.port(), "x@a.example", { version, earnedWith, usedWith });
      expect(result.resumed).toBe(false);
      for (const reply of result.replies)
        expect(reply).toMatch(/^550 5\.7\.1 a\.example requires a client certificate/);
    },
  );

  it.each(VERSIONS)(
    "does not prevent a full handshake of a client that offers it with a certificate (%s)",
    async (version) => {
      const options = { servername: "mx.a.example", ...presenting("good") };
      const attempt = { version, earnedWith: { servername: "mx.a.example" }, usedWith: options };
      const result = await tryToResume(edge.port(), "x@a.example", attempt);
      for (const reply of result.replies) expect(reply).toMatch(/^250 /);
    },
  );
});

describe("tryToResume", () => {
  it.each(VERSIONS)("sees a server that resumes sessions (%s)", async (version) => {
    const own = issueServer({ names: ["mx.a.example"] });
    const server = await startCarelessServer({ key: own.privateKeyPem, cert: own.bundlePem, ca: [] });
    const names = { servername: "mx.a.example" };
    const result = await tryToResume(server.port, "x@a.example", {
      version,
      earnedWith: names,
      usedWith: names,
    });
    server.close();
    expect(result.offered).toBeGreaterThan(0);
    expect(result.resumed).toBe(true);
  });
});
