/**
 * A dialog is a file with the client's lines, the expected replies, and the settings. See README.md beside
 * it.
 */
export type Step =
  | { readonly kind: "send"; readonly line: number; readonly bytes: Buffer }
  | { readonly kind: "hear"; readonly line: number; readonly expected: readonly string[] }
  | {
      readonly kind: "directive";
      readonly line: number;
      readonly name: string;
      readonly words: readonly string[];
    };

export interface DialogFile {
  /** The comment at its top. */
  readonly title: string;
  readonly steps: readonly Step[];
}

/** @throws Error with the number of the line that has no meaning. */
export function parseDialog(text: string): DialogFile {
  const lines = text.split("\n").map((content, index) => ({ content: content.trimEnd(), line: index + 1 }));
  const title = lines
    .filter(({ content }) => content.startsWith("#"))
    .map(({ content }) => content.slice(1).trim())
    .at(0);
  const steps: Step[] = [];
  for (const { content, line } of lines) {
    if (content === "" || content.startsWith("#")) continue;
    const step = parseLine(content, line);
    const last = steps.at(-1);
    if (step.kind === "hear" && last?.kind === "hear" && isContinued(last.expected)) {
      steps[steps.length - 1] = { ...last, expected: [...last.expected, ...step.expected] };
    } else {
      steps.push(step);
    }
  }
  if (title === undefined) throw new Error("a dialog begins with a comment that says what it shows");
  return { title, steps };
}

/** `250-…` lines continue the reply; the first line without the hyphen ends it. */
const isContinued = (expected: readonly string[]): boolean => /^\d{3}-/.test(expected.at(-1) ?? "");

function parseLine(content: string, line: number): Step {
  if (content.startsWith("C: ") || content === "C:") {
    return { kind: "send", line, bytes: Buffer.from(`${unescape(content.slice(3))}\r\n`, "latin1") };
  }
  // Without a line end: a piece of a line, or raw octets.
  if (content.startsWith("C| "))
    return { kind: "send", line, bytes: Buffer.from(unescape(content.slice(3)), "latin1") };
  if (content.startsWith("S: ")) return { kind: "hear", line, expected: [content.slice(3)] };
  if (content.startsWith("!")) {
    const [name = "", ...words] = content.slice(1).split(/\s+/);
    return { kind: "directive", line, name, words };
  }
  throw new Error(`line ${String(line)} means nothing: ${content}`);
}

/** `\r`, `\n`, `\0`, `\\`, and `\xHH` for any octet; other characters go as UTF-8. */
function unescape(text: string): string {
  return Buffer.from(text, "utf8")
    .toString("latin1")
    .replace(/\\(?:x([0-9a-fA-F]{2})|([rn0\\]))/g, (_whole, hex: string | undefined, letter: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      return { r: "\r", n: "\n", "0": "\0", "\\": "\\" }[letter] ?? "";
    });
}

/** null when a reply is the expected one, otherwise the difference. */
export function mismatch(expected: readonly string[], heard: readonly string[]): string | null {
  for (const line of expected) {
    const [, code = "", mark = "", text = ""] = /^(\d{3})([- ]?)(!?.*)$/.exec(line) ?? [];
    if (code === "") return `${line} is no reply`;
    if (mark === "-" && text.startsWith("!")) {
      const found = heard.some((given) => given.slice(4).startsWith(text.slice(1)));
      if (found || !(heard[0] ?? "").startsWith(code)) return `expected no ${text.slice(1)}`;
    } else if (mark === "-") {
      if (!heard.some((given) => given.startsWith(code) && given.slice(4).startsWith(text)))
        return `expected ${line}`;
    } else if (!(heard.at(-1) ?? "").startsWith(line)) {
      return `expected ${line}`;
    }
  }
  return null;
}
