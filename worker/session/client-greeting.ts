/** EHLO or HELO of the present state of the connection. */
export interface ClientGreeting {
  /** As the client wrote it: hostile. */
  readonly text: string;
  /** EHLO. */
  readonly extended: boolean;
}

/** As smtp-server judges the argument. */
const MAX_CHARACTERS = 300;
const ARGUMENT = /^\S+\s+(\S+)$/;
const CONTROL = /[\x00-\x1f\x7f-\x9f]/;

/** The argument of EHLO or HELO where smtp-server will take it; null = it will answer 501. */
export function greetingOf(command: Buffer, extended: boolean): ClientGreeting | null {
  const text = ARGUMENT.exec(command.toString().trim())?.[1] ?? "";
  const isTaken = text !== "" && text.length <= MAX_CHARACTERS;
  return isTaken && !CONTROL.test(text) ? { text, extended } : null;
}
