import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { type Product, startProduct } from "../support/peers/product.ts";
import { scratchDirectory } from "../support/peers/scratch.ts";
import { installedSslyze } from "../support/peers/sslyze.ts";
import { issueServer, makeCa } from "../support/pki.ts";

const TESTSSL_TIMEOUT_MS = 400_000;
const SSLYZE_TIMEOUT_MS = 120_000;

/** One finding of `testssl --jsonfile`. */
interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

let product: Product;
let directory = "";

beforeAll(async () => {
  directory = scratchDirectory();
  // A scanner opens far more connections in a minute than a mail server.
  product = await startProduct({ LIMITS: '{"maxConnectionsPerClient":1000,"maxErrors":1000}' });
});

afterAll(endEverything);

describeWith(["testssl"])("testssl", () => {
  it(
    "finds only TLS 1.2 and 1.3, no vulnerability, and renegotiation refused",
    async () => {
      const findings = await testssl(["--protocols", "--vulnerable"]);
      const of = (id: string): string => findings.find((finding) => finding.id === id)?.finding ?? "absent";
      expect([of("SSLv2"), of("SSLv3"), of("TLS1"), of("TLS1_1")]).toEqual(
        Array.from({ length: 4 }, () => expect.stringContaining("not offered") as string),
      );
      expect(of("TLS1_2")).toContain("offered");
      expect(of("TLS1_3")).toContain("offered");
      expect(of("secure_client_renego")).toContain("not vulnerable");
      const bad = findings.filter(({ severity }) => ["LOW", "MEDIUM", "HIGH", "CRITICAL"].includes(severity));
      expect(bad.map(({ id, severity, finding }) => `${severity} ${id}: ${finding}`)).toEqual([]);
      expect(findings.length).toBeGreaterThan(15);
    },
    TESTSSL_TIMEOUT_MS,
  );
});

describeWith(["sslscan"])("sslscan", () => {
  it("agrees: only TLS 1.2 and 1.3, no renegotiation, no weak cipher", async () => {
    const report = await run("sslscan", ["--no-colour", "--starttls-smtp", `127.0.0.1:${product.smtpPort}`]);
    const enabled = [...report.matchAll(/^(?<protocol>(?:SSL|TLS)v[\d.]+)\s+enabled/gmu)].map(
      ({ groups }) => groups?.["protocol"],
    );
    expect(enabled, report).toEqual(["TLSv1.2", "TLSv1.3"]);
    expect(report).toMatch(/^Session renegotiation not supported$/mu);
    expect(report.match(/^TLSv1\.\d not vulnerable to heartbleed$/gmu)).toHaveLength(2);
    const ciphers = [
      ...report.matchAll(/^(?:Preferred|Accepted)\s+TLSv1\.\d\s+\d+ bits\s+(?<cipher>\S+)/gmu),
    ].map(({ groups }) => groups?.["cipher"] ?? "");
    expect(ciphers.length).toBeGreaterThan(3);
    expect(ciphers.filter((cipher) => !/GCM|CHACHA20|POLY1305/u.test(cipher))).toEqual([]);
  });
});

/** The part of sslyze's result file that is read here. */
interface SslyzeScan {
  readonly scan_status: string;
  readonly scan_result: Readonly<Record<string, { readonly status: string; readonly result: unknown }>>;
}

describeWith(["sslyze"])("sslyze, with Mozilla's intermediate configuration", () => {
  it.each(["ecdsa-p256", "rsa-3072"] as const)(
    "objects only to the chain of a private CA, with a key of %s",
    async (keyType) => {
      const name = `mx.${keyType}.example`;
      const ca = makeCa();
      const certificateId = await product.createCertificate(issueServer({ names: [name], ca, keyType }));
      await product.putDomain(`${keyType}.example`, { mxHosts: [name], tls: { server: { certificateId } } });
      const { output, scan } = await sslyze(name);
      expect(output).toContain('Checking results against Mozilla\'s "intermediate" configuration');
      const findings = [...output.matchAll(/^ +\* (?<finding>[a-z_]+: .*)$/gmu)];
      expect(findings.map(({ groups }) => groups?.["finding"])).toEqual([
        `certificate_path_validation: Certificate path validation failed for CN=${name}.`,
      ]);
      expect(scan.scan_status).toBe("COMPLETED");
      const states = Object.values(scan.scan_result).map(({ status }) => status);
      expect(states.filter((status) => status === "COMPLETED").length).toBeGreaterThan(14);
      expect(states).not.toContain("ERROR");
      // Its OpenSSL is older than X25519MLKEM768.
      const curves = ["X25519", "secp256r1", "secp384r1"].map((curve) =>
        expect.objectContaining({ name: curve }),
      );
      expect(scan.scan_result["elliptic_curves"]?.result).toMatchObject({ supported_curves: curves });
    },
    SSLYZE_TIMEOUT_MS,
  );
});

describeWith(["testssl", "sslscan"])("the scanned process", () => {
  it("is still the process that was started, and replies", async () => {
    const ready = await fetch(`${product.healthUrl}/ready`);
    expect(ready.status).toBe(200);
    expect(process.kill(product.pid, 0)).toBe(true);
  });
});

async function testssl(what: readonly string[]): Promise<readonly Finding[]> {
  const file = join(directory, "testssl.json");
  const target = `127.0.0.1:${product.smtpPort}`;
  await run("testssl", [
    ...what,
    "--starttls",
    "smtp",
    "--quiet",
    "--color",
    "0",
    "--nodns",
    "none",
    "--jsonfile",
    file,
    target,
  ]);
  return JSON.parse(readFileSync(file, "utf8")) as readonly Finding[];
}

async function sslyze(sni: string): Promise<{ readonly output: string; readonly scan: SslyzeScan }> {
  const file = join(directory, "sslyze.json");
  const target = `127.0.0.1:${product.smtpPort}`;
  const argv = ["--starttls=smtp", "--mozilla_config=intermediate", "--sni", sni, "--json_out", file, target];
  const output = await run((await installedSslyze()) ?? "sslyze", argv);
  const { server_scan_results: scans } = JSON.parse(readFileSync(file, "utf8")) as {
    readonly server_scan_results: readonly [SslyzeScan];
  };
  return { output, scan: scans[0] };
}

/** Exit codes of scanners count findings, so they are not read. */
function run(program: string, argv: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, argv, { timeout: TESTSSL_TIMEOUT_MS, maxBuffer: 16_000_000 }, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
}
