import { type Output, painted } from "../frame/output.ts";
import type { Fault, Outcome } from "./outcome.ts";
import type { PosternFile } from "./postern-file.ts";

/** Where the mistakes of an answer stand: places of the user's file, or pointers. */
interface Source {
  readonly path: string;
  /** null = a plan, which has no lines. */
  readonly file: PosternFile | null;
}

/**
 * Writes what failed, and how much was done.
 *
 * @returns how many steps are not done
 * @throws Ended where output was not written; stderr has how much was done then
 */
export function printOutcomes(all: readonly Outcome[], source: Source, output: Output): number {
  const by = (result: Outcome["result"]): readonly Outcome[] => all.filter((each) => each.result === result);
  for (const outcome of [...by("failed"), ...by("unknown")]) printFault(outcome, source, output);
  for (const outcome of by("not-tried").filter(({ fault }) => fault !== null))
    printFault(outcome, source, output);
  const counts = {
    done: by("done").length,
    failed: by("failed").length,
    unknown: by("unknown").length,
    notTried: by("not-tried").length,
  };
  const parts = [
    `${counts.done} of ${all.length} applied`,
    ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
    ...(counts.unknown > 0 ? [`${counts.unknown} may have been written`] : []),
    ...(counts.notTried > 0 ? [`${counts.notTried} not tried`] : []),
  ];
  if (output.hasFailed) output.note(`stopped: ${parts.join(", ")}.`);
  output.json({ summary: counts });
  if (all.length === 0) output.line("Nothing to apply.");
  else output.line(`${parts.join(", ")}.`);
  return all.length - counts.done;
}

/** What ended the work early. */
export function printStop({ message }: Fault, output: Output): void {
  if (output.isJson) output.noteJson({ stopped: message });
  else {
    output.note(painted("bad", "postern: "), `stopped: ${message}`);
    output.note(painted("dim", "hint: "), "Apply again: what is done is not written twice.");
  }
}

function printFault({ step, result, fault }: Outcome, source: Source, output: Output): void {
  if (fault === null) return;
  const { kind, name } = step;
  const places = fault.places.map(({ pointer, message }) => ({
    where: placeOf(step, pointer, source),
    message,
  }));
  if (output.isJson) {
    output.noteJson({ result, kind, name, code: fault.code, message: fault.message, places });
    return;
  }
  if (result === "unknown") return;
  const code = fault.code === null ? "" : `${fault.code}: `;
  output.note(painted("bad", `${kind} ${name}: `), code, fault.message);
  for (const { where, message } of places) output.note("  ", painted("bold", where), "  ", message);
}

const SECTIONS = { domain: "domains", certificate: "certificates", "trust-store": "trustStores" } as const;

function placeOf({ kind, name }: Outcome["step"], pointer: string, { path, file }: Source): string {
  if (file === null) return `${kind} ${name} ${pointer}`;
  const parts = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const { line, column } = file.placeOf([SECTIONS[kind], name, ...parts], "value");
  return `${path}:${line}:${column}`;
}
