const word = (text: string): number => Buffer.from(text, "latin1").readUInt32BE(0);

/** The commands that every transaction repeats, by their four letters as one number. */
const FREQUENT: ReadonlyMap<number, "MAIL" | "RCPT" | "DATA"> = new Map([
  [word("MAIL"), "MAIL"],
  [word("RCPT"), "RCPT"],
  [word("DATA"), "DATA"],
]);
const SPACE = 0x20;

/** Which of them a line is, in any case; null = another one. */
export function frequentCommand(line: Buffer): "MAIL" | "RCPT" | "DATA" | null {
  if (line.length < 4 || (line[4] ?? SPACE) !== SPACE) return null;
  // Four letters in upper case at once; what is no letter gives none of these words.
  return FREQUENT.get(line.readUInt32BE(0) & ~0x20202020) ?? null;
}
