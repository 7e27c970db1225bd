import { readFileSync } from "node:fs";
import { z } from "zod";

/** The parts of the output of `npm audit --json` that are read here. */
const Audit = z.object({
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string(), range: z.string() })),
});

/** One line for each weak package, or a line that the audit service could not be reached. Never fails. */
function linesOf(json: string): readonly string[] {
  const audit = Audit.safeParse(parse(json));
  if (!audit.success) return ["npm audit: not checked, the registry's audit service gave no answer"];
  const weak = Object.entries(audit.data.vulnerabilities);
  if (weak.length === 0) return ["npm audit: no known weakness"];
  return weak.map(([name, { severity, range }]) => `npm audit: ${severity}: ${name} ${range}`);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new TypeError("usage: report-audit.ts AUDIT.json");
process.stdout.write(`${linesOf(readFileSync(path, "utf8")).join("\n")}\n`);
