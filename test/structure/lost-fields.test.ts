import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { text as streamText } from "node:stream/consumers";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT, type SourceFile, sourceFiles } from "./source-files.ts";

/** Where a field is planted: the line that opens its type, and the files that must then not compile. */
interface Plant {
  readonly opens: string;
  readonly lists: readonly string[];
}

const SETTINGS = ["domain-schema.ts", "stored-record.ts", "domain-response.ts"];
const HOST_ADAPTERS = ["sqlite-load.ts", "sqlite-commit.ts", "sqlite-hosts.ts", "dynamodb-load.ts"];
const RECORD = ["stored-record.ts", "certificate-response.ts"];
const CERTIFICATE = ["stored-certificate.ts", "certificate-response.ts"];
const REPORT = ["stored-report.ts", "status-response.ts"];

const PLANTS: readonly Plant[] = [
  { opens: "interface DomainSettings {", lists: [...SETTINGS, "interner.ts"] },
  {
    opens: "interface DomainRecord extends DomainSettings {",
    lists: [...SETTINGS, "interner.ts", "domain-write.ts", "shown-domain.ts"],
  },
  {
    opens: 'interface DomainView extends Omit<DomainRecord, "pendingNames"> {',
    lists: ["domain-schema.ts", "domain-response.ts"],
  },
  { opens: "interface PendingName {", lists: ["stored-record.ts"] },
  { opens: "interface TlsSettings {", lists: SETTINGS },
  { opens: "readonly server: {", lists: SETTINGS },
  { opens: "interface ClientCertificateSettings {", lists: SETTINGS },
  { opens: "readonly names: {", lists: SETTINGS },
  { opens: "interface ClientTrust {", lists: SETTINGS },
  { opens: "interface TlsException {", lists: SETTINGS },
  { opens: "interface ExceptionMatch {", lists: SETTINGS },
  { opens: "interface DeliverySettings {", lists: SETTINGS },
  {
    opens: "interface MxHost {",
    lists: [
      "stored-record.ts",
      "plan-write.ts",
      "damaged-host.ts",
      ...HOST_ADAPTERS,
      "dynamodb-host-actions.ts",
      "dynamodb-hosts.ts",
    ],
  },
  { opens: "interface MxHostChange {", lists: ["stored-record.ts"] },
  { opens: "interface MxHostRead {", lists: ["stored-record.ts"] },
  { opens: "interface LogEntry {", lists: ["stored-record.ts", "log-entry.ts", "change-response.ts"] },
  { opens: "interface MovedDomains {", lists: ["stored-record.ts", "change-response.ts"] },
  { opens: "interface UseChange {", lists: ["stored-record.ts"] },
  { opens: "interface Commit {", lists: ["stored-record.ts"] },
  {
    opens: "interface UnreadableItem {",
    lists: ["snapshot-backup.ts", "stored-report.ts", "status-response.ts"],
  },
  {
    opens: "interface CertificateRecord {",
    lists: [...CERTIFICATE, "certificate-records.ts", "certificate-view.ts", "certificate-input.ts"],
  },
  { opens: "interface CertificateKey {", lists: CERTIFICATE },
  { opens: "interface MaterialReference {", lists: ["stored-certificate.ts"] },
  { opens: "interface RetiredVersion extends MaterialReference {", lists: ["stored-certificate.ts"] },
  { opens: "interface PendingKey {", lists: ["stored-certificate.ts"] },
  { opens: "interface SigningRequest {", lists: CERTIFICATE },
  { opens: "interface CertificatePlan {", lists: ["stored-certificate.ts"] },
  { opens: "interface FailedAttempt {", lists: CERTIFICATE },
  { opens: "interface AcmeOrder {", lists: ["stored-certificate.ts"] },
  { opens: "interface RenewalSuggestion {", lists: ["stored-certificate.ts"] },
  { opens: "interface AcmeIssuance {", lists: ["stored-certificate.ts"] },
  { opens: "interface AcmOrder {", lists: ["stored-certificate.ts", "acm-certificates.ts"] },
  { opens: "interface ValidationRecord {", lists: CERTIFICATE },
  {
    opens: "interface CertificateView extends LoggedCertificate {",
    lists: ["certificate-response.ts", "certificate-input.ts"],
  },
  {
    opens: "interface TrustStoreRecord {",
    lists: [...RECORD, "trust-store-service.ts", "certificate-input.ts"],
  },
  { opens: "interface TrustAnchor {", lists: RECORD },
  { opens: "interface AnchorLimits {", lists: RECORD },
  { opens: "interface CrlSummary {", lists: RECORD },
  { opens: "interface PreviousContent {", lists: RECORD },
  {
    opens: "interface TrustStoreContent {",
    lists: ["trust-anchors.ts", "certificate-response.ts", "certificate-input.ts"],
  },
  { opens: "interface KeyMaterial {", lists: ["serving-material.ts"] },
  { opens: "interface CertificateMaterial {", lists: ["serving-material.ts"] },
  { opens: "interface EdgeReport {", lists: REPORT },
  { opens: "interface ReportedListener {", lists: REPORT },
  { opens: "interface ServedCertificate {", lists: REPORT },
  { opens: "interface CertificateProblem {", lists: REPORT },
  { opens: "interface DomainStatus {", lists: ["status-response.ts"] },
  { opens: "interface HostStatus {", lists: ["status-response.ts"] },
  { opens: "interface ListenerStatus {", lists: ["status-response.ts"] },
  { opens: "interface EdgeStatus {", lists: ["status-response.ts"] },
];

/** Files with schemas of what is stored, taken or shown. */
const SCHEMA_FILES = [
  "domain-schema.ts",
  "stored-record.ts",
  "stored-certificate.ts",
  "domain-response.ts",
  "certificate-response.ts",
  "stored-report.ts",
  "serving-material.ts",
];

/** Schemas that read a part of a record that cannot be read otherwise, and those of pages. */
const PARTIAL = ["entrySubject", "namedByDomain", "ownershipOfDomain", "listOf"];

const PRODUCT = sourceFiles("{core,adapters,functions}/**/*.ts").filter(
  ({ path }) => !path.endsWith(".test.ts") && !path.endsWith("lambda.ts"),
);

/** Some seconds of work; tests run beside others. */
const COMPILES_WITHIN_MS = 120_000;

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "postern-lost-fields-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** What the compiler says of the files in a project of their own. */
async function compile(project: string, files: readonly SourceFile[]): Promise<string> {
  const folder = join(root, project);
  for (const { path, text } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const compilerOptions = { noErrorTruncation: true };
  const config = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: ["**/*.ts"], exclude: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const compiler = spawn(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder, "--pretty", "false"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await Promise.all([streamText(compiler.stdout), once(compiler, "exit")]);
  return output;
}

/**
 * The fields that errors are about, each as `file field`. The first line of an error names its file, further
 * lines are indented. Types are printed whole, so that only what stands as missing or unexpected counts.
 */
function faultsOf(output: string): ReadonlySet<string> {
  const about =
    /readonly (?:missing|unexpected): "[^;]*|Property '\w+' is missing|missing the following properties.*$/gmu;
  return new Set(
    output.split(/\n(?=\S)/u).flatMap((error) => {
      const file = basename(error.slice(0, error.indexOf("(")));
      const reasons = (error.match(about) ?? []).join(" ");
      return (reasons.match(/planted\d+x/gu) ?? []).map((field) => `${file} ${field}`);
    }),
  );
}

describe("an optional field that is added to a type", () => {
  let faults: ReadonlySet<string> = new Set();
  beforeAll(async () => {
    const files = PRODUCT.map(({ path, text }) => ({
      path,
      text: PLANTS.reduce(
        (planted, { opens }, n) =>
          planted.replace(opens, `${opens} readonly planted${n}x?: string | undefined;`),
        text,
      ),
    }));
    faults = faultsOf(await compile("types", files));
  }, COMPILES_WITHIN_MS);

  it.each(PLANTS.map((plant, n) => ({ ...plant, n })))(
    "does not compile until every list of fields has it: $opens",
    ({ lists, n }) => {
      expect([...faults]).toEqual(expect.arrayContaining(lists.map((file) => `${file} planted${n}x`)));
    },
  );
});

describe("a field that is added to a schema", () => {
  const product = PRODUCT.filter(({ path }) => !path.startsWith("adapters/"));
  const schemas = product
    .filter(({ path }) => SCHEMA_FILES.includes(basename(path)))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/z\s*\.(?:strictObject|object)\(\{/gu)]
        .map(({ index, 0: opens }) => ({
          path,
          line: text.slice(0, index).split("\n").length,
          at: index + opens.length,
          of:
            text
              .slice(0, index)
              .match(/(?<=\bconst )\w+/gu)
              ?.at(-1) ?? "",
        }))
        .filter(({ of }) => !PARTIAL.includes(of)),
    );
  let faults: ReadonlySet<string> = new Set();
  beforeAll(async () => {
    const files = product.map(({ path, text }) => ({
      path,
      text: schemas.reduceRight(
        (planted, schema, n) =>
          schema.path === path
            ? `${planted.slice(0, schema.at)} planted${n}x: z.string().optional(),${planted.slice(schema.at)}`
            : planted,
        text,
      ),
    }));
    faults = faultsOf(await compile("schemas", files));
  }, COMPILES_WITHIN_MS);

  it.each(schemas.map((schema, n) => ({ ...schema, n })))(
    "does not compile until its type has it: $path line $line",
    ({ path, n }) => {
      expect(faults).toContain(`${basename(path)} planted${n}x`);
    },
  );
});
