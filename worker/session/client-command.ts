/** Reads the parts of a command that are needed before, or instead of, smtp-server's own parser. */
import { isGreetingName } from "../../core/smtp/greeting-name.ts";

/** Four letters as one number. */
const word = (text: string): number => Buffer.from(text, "latin1").readUInt32BE(0);

/** The commands that every transaction repeats, by their four letters. */
const FREQUENT: ReadonlyMap<number, "MAIL" | "RCPT" | "DATA"> = new Map([
  [word("MAIL"), "MAIL"],
  [word("RCPT"), "RCPT"],
  [word("DATA"), "DATA"],
]);
/** RFC 5321 section 4.1.1: DATA, RSET and QUIT have no parameters; RFC 3207 section 4: nor has STARTTLS. */
const UNWANTED_ARGUMENT = /^(DATA|RSET|QUIT|STARTTLS) /i;
const SPACE = 0x20;
const TAB = 0x09;

export interface ClientCommand {
  /** Without blanks before its line end, which are tolerated (RFC 5321 section 4.1.1). */
  readonly line: Buffer;
  readonly frequent: "MAIL" | "RCPT" | "DATA" | null;
  /** The command, if it has an argument though it takes none; null = every other line. */
  readonly argued: string | null;
}

export function readCommand(command: Buffer): ClientCommand {
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

/** Which of the frequent commands a line is, in any case; null = another one. */
function frequentCommand(line: Buffer): "MAIL" | "RCPT" | "DATA" | null {
  if (line.length < 4 || (line[4] ?? SPACE) !== SPACE) return null;
  // Four letters in upper case at once; octets that are no letters give none of these words.
  return FREQUENT.get(line.readUInt32BE(0) & ~0x20202020) ?? null;
}

/** EHLO or HELO of the present state of the connection. */
export interface ClientGreeting {
  /** As the client wrote it: hostile. */
  readonly text: string;
  /** EHLO. */
  readonly extended: boolean;
}

const GREETING = /^\S+\s+(\S+)$/;

/** The argument of EHLO or HELO where smtp-server will accept it; null = it will answer 501. */
export function readGreeting(command: Buffer, extended: boolean): ClientGreeting | null {
  const text = GREETING.exec(command.toString().trim())?.[1] ?? "";
  return isGreetingName(text) ? { text, extended } : null;
}
