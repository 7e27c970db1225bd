import { type Output, painted } from "../frame/output.ts";

interface WithWarnings {
  readonly warnings?: readonly { readonly code: string; readonly message: string }[];
}

/** A record: its fields, and for people its warnings as lines of text. */
export function printRecord(record: object & WithWarnings, output: Output): void {
  if (output.isJson) {
    output.json(record);
    return;
  }
  const fields = Object.entries(record).filter(([name]) => name !== "warnings");
  output.record(Object.fromEntries(fields));
  printWarnings(record, output);
}

/** The warnings of a record, for people. */
export function printWarnings({ warnings = [] }: WithWarnings, output: Output): void {
  for (const { code, message } of warnings) output.line(painted("warn", "warning: "), `${code}: ${message}`);
}
