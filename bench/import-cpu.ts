import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildBundle, bundleEntry } from "../scripts/bundles.ts";

/** CPU time that importing costs a new process, in milliseconds. */
export interface ImportCost {
  readonly apiMs: number;
  readonly baselineMs: number;
  /** Ratio of the two medians of one run: the only number that is comparable between machines. */
  readonly ratio: number;
}

/** Enough that the functions start; nothing is connected to before the first request. */
const ENVIRONMENT = {
  TABLE_NAME: "postern",
  KEY_BUCKET: "postern-keys",
  KEY_KMS_KEY_ID: "alias/postern",
  SMTP_NAME: "mx.example.com",
  AWS_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "none",
  AWS_SECRET_ACCESS_KEY: "none",
};

const PROGRAM = `
  const before = process.cpuUsage();
  await import(process.argv[1]);
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(String((user + system) / 1000));
  process.exit(0);
`;

function importOnce(path: string): number {
  const argv = ["--input-type=module", "--eval", PROGRAM, pathToFileURL(path).href];
  return Number(execFileSync(process.execPath, argv, { encoding: "utf8", env: { ...ENVIRONMENT } }));
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Imports both bundles alternately, so that other load of the machine affects both. */
export async function measureImports(rounds: number): Promise<ImportCost> {
  const directory = mkdtempSync(join(tmpdir(), "postern-import-"));
  try {
    const api = await buildBundle("api", join(directory, "api"));
    const source = { entry: "bench/import-baseline.ts", file: "baseline", splits: true };
    const baseline = await bundleEntry(source, join(directory, "baseline"));
    const times: { readonly api: number; readonly baseline: number }[] = [];
    for (let round = 0; round < rounds; round += 1)
      times.push({ baseline: importOnce(baseline.path), api: importOnce(api.path) });
    const apiMs = median(times.map((time) => time.api));
    const baselineMs = median(times.map((time) => time.baseline));
    return { apiMs, baselineMs, ratio: apiMs / baselineMs };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { apiMs, baselineMs, ratio } = await measureImports(15);
  process.stdout.write(
    `import of the API: ${apiMs.toFixed(0)} ms of CPU; of hono, zod-openapi and DynamoDB alone: ${baselineMs.toFixed(0)} ms; ratio ${ratio.toFixed(2)}\n`,
  );
}
