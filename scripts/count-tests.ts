import { readFileSync } from "node:fs";
import { z } from "zod";

/** The parts of vitest's JSON report that are read here. */
const Report = z.object({
  numPassedTests: z.number().int(),
  numFailedTests: z.number().int(),
  numPendingTests: z.number().int(),
  numTodoTests: z.number().int(),
  success: z.boolean(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.unknown()) })),
});

/** The runner's own count as one line that any CI can read: `12 passed, 0 failed, 1 skipped`. */
function countLine(report: z.infer<typeof Report>): string {
  const skipped = report.numPendingTests + report.numTodoTests;
  // A file that does not load has no failed test, but counts as a failure.
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  const counted = `${report.numPassedTests} passed, ${report.numFailedTests + unloaded.length} failed`;
  return skipped === 0 ? counted : `${counted}, ${skipped} skipped`;
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new TypeError("usage: count-tests.ts REPORT.json");
const report = Report.parse(JSON.parse(readFileSync(path, "utf8")));
process.stdout.write(`${countLine(report)}\n`);
process.exitCode = report.success && report.numPassedTests > 0 ? 0 : 1;
