import { frequentCommand } from "./frequent-command.ts";

/** RFC 5321 section 4.1.1: DATA, RSET and QUIT have no parameters; RFC 3207 section 4: nor has STARTTLS. */
const UNWANTED_ARGUMENT = /^(DATA|RSET|QUIT|STARTTLS) /i;
const SPACE = 0x20;
const TAB = 0x09;

/** What of a command is known before smtp-server looks at it. */
interface CommandLine {
  /** Without blanks before its line end, which are tolerated (RFC 5321 section 4.1.1). */
  readonly line: Buffer;
  readonly frequent: "MAIL" | "RCPT" | "DATA" | null;
  /** The command, if it has an argument though it takes none; null = every other line. */
  readonly argued: string | null;
}

export function readCommandLine(command: Buffer): CommandLine {
  const line = withoutTrailingBlanks(command);
  const frequent = frequentCommand(line);
  const mayHaveOne = frequent === "MAIL" || frequent === "RCPT";
  const unwanted = mayHaveOne ? null : UNWANTED_ARGUMENT.exec(line.toString("latin1"));
  return { line, frequent, argued: unwanted?.[1]?.toUpperCase() ?? null };
}

function withoutTrailingBlanks(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && (line[end - 1] === SPACE || line[end - 1] === TAB)) end -= 1;
  return end === line.length ? line : line.subarray(0, end);
}
