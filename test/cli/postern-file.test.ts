import { describe, expect, it } from "vitest";
import { startApi } from "../support/api.ts";
import { issueServer, makeCa } from "../support/pki.ts";
import { cliOn, sendTo } from "./cli-on-api.ts";

const ROOT = makeCa({ name: "File Root" });
const UPLOAD = issueServer({ names: ["mx1.example"], ca: ROOT });
const indented = (text: string): string => text.replaceAll(/^/gmu, "      ");

const FAULTS: readonly (readonly [fault: string, file: string, place: string, message: string])[] = [
  ["a duplicate key", "domains:\n  a.example: {}\n  a.example: {}\n", "3:3", 'duplicate key "a.example"'],
  ["a duplicate key of a section", "domains: {}\ndomains: {}\n", "2:1", 'duplicate key "domains"'],
  ["an anchor", "domains:\n  a.example: &x {}\n", "2:14", "anchors are not taken: remove &x"],
  ["an alias", "domains:\n  b.example: *x\n", "2:14", "aliases are not taken: write the value itself"],
  ["a merge key", "domains:\n  a.example:\n    <<: {}\n", "3:5", 'unknown field "<<"'],
  ["a tag", "domains:\n  a.example: !!js/function x\n", "2:14", "tags are not taken: write the value itself"],
  [
    "a tab",
    "domains:\n  a.example:\n\tmxHosts: []\n",
    "3:1",
    "tab characters must not be used in indentation",
  ],
  ["an unknown field", "domains:\n  a.example:\n    tls: { sever: {} }\n", "3:12", 'unknown field "sever"'],
  ["an unknown section", "hosts: {}\n", "1:1", 'unknown field "hosts"'],
  ["another type", 'domains:\n  a.example:\n    mxHosts: "mx"\n', "3:14", "must be a list"],
  [
    "a number for a text",
    "domains:\n  a.example:\n    labels: { cost: 17 }\n",
    "3:21",
    "must be a text (in quotes, where YAML reads a number, a time or true)",
  ],
  [
    "a value that is not in the list",
    "domains:\n  a.example:\n    tls: { server: { level: must } }\n",
    "3:29",
    "must be one of none, accept, require",
  ],
  ["a domain that is no name", "domains:\n  A.example: {}\n", "2:3", '"A.example" is no valid name'],
  ["an empty domain", "domains:\n  a.example:\n", "2:3", "must be a map of fields"],
  [
    "a field that is missing",
    "certificates:\n  mx: { source: acme, names: [a.example] }\n",
    "2:3",
    "directory is missing",
  ],
  [
    "a source of no kind",
    "certificates:\n  mx: { source: pam }\n",
    "2:17",
    "source must be one of self-signed, pem, request, acme, acm",
  ],
  ["no document", "# nothing\n", "1:1", "the file is empty"],
  ["two documents", "domains: {}\n---\ndomains: {}\n", "3:1", "a second document: a file has one"],
  ["a list that is not closed", "domains: [\n", "2:1", "deficient indentation"],
  [
    "a private key",
    `certificates:\n  mx:\n    source: pem\n    certificatePem: |\n${indented(UPLOAD.privateKeyPem)}\n`,
    "5:7",
    "a private key is never in this file: name its file by privateKeyFile",
  ],
  [
    "a PEM field without PEM",
    "trustStores:\n  partners: { certificatesPem: none }\n",
    "2:32",
    "no certificate in PEM",
  ],
  [
    "a certificate that is none",
    `certificates:\n  mx:\n    source: pem\n    privateKeyFile: k\n    certificatePem: |\n      -----BEGIN CERTIFICATE-----\n      AAAA\n      -----END CERTIFICATE-----\n`,
    "6:1",
    "a certificate that cannot be read",
  ],
  [
    "a file that is absent",
    "trustStores:\n  partners: { certificatesFile: no.pem }\n",
    "2:33",
    "no.pem: not found",
  ],
  [
    "a label that no record has",
    "domains:\n  a.example:\n    mxHosts: [mx.example]\n    tls: { server: { certificate: mx9 } }\n",
    "4:22",
    'no certificate has the label "mx9"',
  ],
  [
    "both ways to name a certificate",
    "domains:\n  a.example:\n    tls: { server: { certificate: mx, certificateId: cert_1 } }\n",
    "3:35",
    "certificateId is given too: leave one",
  ],
  [
    "two certificates for one host",
    "certificates:\n  one: { source: self-signed, names: [mx.example] }\ndomains:\n  a.example:\n    mxHosts: [mx.example]\n    tls: { server: { certificate: one } }\n  b.example: { mxHosts: [mx.example] }\n",
    "7:3",
    "mx.example serves one certificate, and a.example names another one for it: name the same one, or give one of them another MX host",
  ],
  [
    "a new upload without its key",
    `certificates:\n  mx:\n    source: pem\n    certificatePem: |\n${indented(UPLOAD.certificatePem)}\n`,
    "2:3",
    "privateKeyFile is missing: a new certificate needs its private key",
  ],
];

describe("postern.yaml", () => {
  it.each(FAULTS)("is refused with %s at its line and column", async (_, text, place, message) => {
    const api = await startApi();
    const files = new Map([["settings.yaml", { text, mode: 0o644 }]]);
    for (const command of ["plan", "apply"]) {
      const { exitCode, stdout, stderr } = await cliOn(sendTo(api), { files })(command, "settings.yaml");
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
      // The absolute path of a file beside it is that of this machine.
      expect(stderr.replaceAll(/\/\S*\//gu, "")).toBe(
        `postern: settings.yaml cannot be applied\n  settings.yaml:${place}  ${message}\n`,
      );
      expect(stderr).not.toContain("PRIVATE KEY");
    }
    expect(await api.store.head()).toBe(0);
  });

  it("is refused where aliases would make gigabytes of it", async () => {
    const api = await startApi();
    const levels = Array.from(
      { length: 30 },
      (_, level) => `l${level + 1}: &l${level + 1} [*l${level}, *l${level}]\n`,
    );
    const stdin = `l0: &l0 [x]\n${levels.join("")}`;
    const { exitCode, stderr } = await cliOn(sendTo(api), { stdin })("plan", "-");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("  stdin:1:5  anchors are not taken: remove &l0\n");
  });

  it.each([
    ["lists", "[".repeat(100_000)],
    ["maps", "{a: ".repeat(100_000)],
    ["closed lists", `x: ${"[".repeat(200)}${"]".repeat(200)}`],
  ])("is refused where it nests %s too deep", async (_, stdin) => {
    const api = await startApi();
    const { exitCode, stderr } = await cliOn(sendTo(api), { stdin })("plan", "-");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("postern: stdin cannot be applied\n");
  });

  it("shows the first 50 mistakes, and how many more there are", async () => {
    const api = await startApi();
    const stdin = `domains:\n${Array.from({ length: 60 }, (_, nth) => `  d${nth}.example: { mx: [] }\n`).join("")}`;
    const { stderr } = await cliOn(sendTo(api), { stdin })("plan", "-");
    expect(stderr).toContain('  stdin:51:18  unknown field "mx"\n  stdin  10 more\n');
  });

  it("takes the forms of YAML that only quote: keys and texts with colons, hashes and line breaks", async () => {
    const api = await startApi();
    const stdin = `"domains":\n  'a.example': { labels: { note: "a: b # c" }, tls: { exceptions: [ { match: { clientCidr: 192.0.2.0/24 }, level: none, reason: >-\n    two\n    lines } ] } }\n`;
    const cli = cliOn(sendTo(api), { stdin });
    expect(await cli("apply", "-", "--no-wait")).toMatchObject({ exitCode: 1 });
    const folded = stdin.replace(/>-\n\s+two\n\s+lines/u, "two lines");
    expect(await cliOn(sendTo(api), { stdin: folded })("apply", "-", "--no-wait")).toMatchObject({
      exitCode: 0,
    });
    const { json } = await api.expect(200, "GET", "/v1/domains/a.example");
    expect(json).toMatchObject({
      labels: { note: "a: b # c" },
      tls: { exceptions: [{ reason: "two lines" }] },
    });
  });
});
