import { type Event, EVENT_ID, getScalarValue, parseEvents, SCALAR_STYLE, YAMLException } from "js-yaml";
import { type Mistake, Mistakes, type Place } from "./mistakes.ts";

/** Names and indices from the root of a document. */
export type Path = readonly (string | number)[];

/** A YAML document as JSON has it, and where its parts stand. */
export interface YamlText {
  readonly value: unknown;
  /** Of the value at a path, or of the nearest part around it; `key`: of the name in front of it. */
  readonly placeOf: (path: Path, part: "key" | "value") => Place;
}

/** Characters of a file: 10,000 domains with many settings are a tenth of it. */
export const MAX_FILE_CHARACTERS = 64 * 2 ** 20;
const MAX_DEPTH = 30;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/u;

/**
 * Reads one YAML document without anchors, aliases, tags and duplicate keys. It is made of the parser's
 * events, which have the offset of each part: a parser with a tree takes 2 s for 10,000 domains.
 *
 * @throws Mistakes
 */
export function readYaml(text: string): YamlText {
  const placeAt = placesOf(text);
  const fail = (offset: number, message: string): never => {
    throw new Mistakes([{ ...placeAt(offset), message }]);
  };
  if (text.length > MAX_FILE_CHARACTERS) fail(0, `the file is over ${MAX_FILE_CHARACTERS} characters`);
  const key = PRIVATE_KEY.exec(text);
  if (key !== null) fail(key.index, "a private key is never in this file: name its file by privateKeyFile");
  const events = eventsOf(text, fail);
  const second = events.findIndex(({ type }, index) => index > 0 && type === EVENT_ID.DOCUMENT);
  if (second !== -1) fail(startOf(events[second + 1]), "a second document: a file has one");
  if (events.length === 0) fail(0, "the file is empty");
  const found: Mistake[] = [];
  const report = (offset: number, message: string): void => void found.push({ ...placeAt(offset), message });
  const value = new ValueReader(text, events, report).read();
  if (found.length > 0) throw new Mistakes(found);
  let root: Part | null = null;
  return {
    value,
    placeOf: (path, part) => {
      root ??= partsOf(text, events);
      return placeAt(offsetOf(root, path, part));
    },
  };
}

function eventsOf(text: string, fail: (offset: number, message: string) => never): readonly Event[] {
  try {
    return parseEvents(text, { maxDepth: MAX_DEPTH });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return fail(error.mark?.position ?? 0, error.reason);
  }
}

/** Offsets by line, and of a line's start. */
function placesOf(text: string): (offset: number) => Place {
  let starts: readonly number[] | null = null;
  return (offset) => {
    starts ??= [0, ...[...text.matchAll(/\r\n|\n|\r/gu)].map(({ 0: end, index }) => index + end.length)];
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}

/** Offset of the node that an event begins; -1 = it has no text. */
function startOf(event: Event | undefined): number {
  switch (event?.type) {
    case EVENT_ID.SCALAR:
      return event.valueStart - (QUOTED.has(event.style) ? 1 : 0);
    case EVENT_ID.MAPPING:
    case EVENT_ID.SEQUENCE:
      return event.start;
    case EVENT_ID.ALIAS:
      return event.anchorStart - 1;
    default:
      return 0;
  }
}

/** Styles whose value begins after a quote. */
const QUOTED: ReadonlySet<number> = new Set([SCALAR_STYLE.SINGLE_QUOTED, SCALAR_STYLE.DOUBLE_QUOTED]);

/** Makes values of events, and reports what a file may not have. */
class ValueReader {
  readonly #text: string;
  readonly #events: readonly Event[];
  readonly #report: (offset: number, message: string) => void;
  /** The first event is the document's. */
  #next = 1;

  constructor(text: string, events: readonly Event[], report: (offset: number, message: string) => void) {
    this.#text = text;
    this.#events = events;
    this.#report = report;
  }

  read(): unknown {
    const event = this.#take();
    switch (event?.type) {
      case EVENT_ID.SCALAR:
        this.#check(event);
        return event.style === SCALAR_STYLE.PLAIN
          ? plainValue(getScalarValue(this.#text, event))
          : getScalarValue(this.#text, event);
      case EVENT_ID.SEQUENCE: {
        this.#check(event);
        const items: unknown[] = [];
        while (!this.#isEnd()) items.push(this.read());
        return items;
      }
      case EVENT_ID.MAPPING:
        this.#check(event);
        return this.#map();
      case EVENT_ID.ALIAS:
        this.#report(startOf(event), "aliases are not taken: write the value itself");
        return null;
      default:
        return null;
    }
  }

  #map(): unknown {
    const entries: [string, unknown][] = [];
    const names = new Set<string>();
    while (!this.#isEnd()) {
      const key = this.#events[this.#next];
      const name = key?.type === EVENT_ID.SCALAR ? getScalarValue(this.#text, key) : null;
      this.read();
      const value = this.read();
      if (name === null) this.#report(startOf(key), "a key must be a text");
      else if (names.has(name)) this.#report(startOf(key), `duplicate key ${JSON.stringify(name)}`);
      else {
        names.add(name);
        entries.push([name, value]);
      }
    }
    return Object.fromEntries(entries);
  }

  #take(): Event | undefined {
    this.#next += 1;
    return this.#events[this.#next - 1];
  }

  /** Whether the collection ends here; its end is taken then. */
  #isEnd(): boolean {
    const event = this.#events[this.#next];
    const isEnd = event === undefined || event.type === EVENT_ID.POP;
    if (isEnd) this.#next += 1;
    return isEnd;
  }

  #check({
    anchorStart,
    anchorEnd,
    tagStart,
  }: {
    anchorStart: number;
    anchorEnd: number;
    tagStart: number;
  }): void {
    if (anchorStart >= 0) {
      const anchor = this.#text.slice(anchorStart, anchorEnd);
      this.#report(anchorStart - 1, `anchors are not taken: remove &${anchor}`);
    }
    if (tagStart >= 0) this.#report(tagStart, "tags are not taken: write the value itself");
  }
}

const NULL = /^(?:~|null|Null|NULL|)$/u;
const BOOLEAN = /^(?:true|True|TRUE|false|False|FALSE)$/u;
const NUMBER = /^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+)$/u;
const NO_NUMBER = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/u;

/** What the core schema makes of a text without quotes (YAML 1.2.2 section 10.3.2). */
function plainValue(text: string): unknown {
  if (NULL.test(text)) return null;
  if (BOOLEAN.test(text)) return text.toLowerCase() === "true";
  if (NUMBER.test(text)) return Number(text);
  return NO_NUMBER.test(text) ? Number.NaN : text;
}

/** A node, and those inside it. */
interface Part {
  readonly start: number;
  readonly keyStart: number;
  readonly parts: ReadonlyMap<string, Part>;
}

function partsOf(text: string, events: readonly Event[]): Part {
  let next = 1;
  const read = (keyStart: number): Part => {
    const event = events[next];
    next += 1;
    const parts = new Map<string, Part>();
    const isEnd = (): boolean => {
      const isPop = (events[next]?.type ?? EVENT_ID.POP) === EVENT_ID.POP;
      if (isPop) next += 1;
      return isPop;
    };
    if (event?.type === EVENT_ID.SEQUENCE)
      for (let index = 0; !isEnd(); index++) parts.set(String(index), read(-1));
    if (event?.type === EVENT_ID.MAPPING)
      while (!isEnd()) {
        const key = events[next];
        next += 1;
        parts.set(key?.type === EVENT_ID.SCALAR ? getScalarValue(text, key) : "", read(startOf(key)));
      }
    const start = startOf(event);
    return { start: start === -1 ? keyStart : start, keyStart, parts };
  };
  return read(0);
}

function offsetOf(root: Part, path: Path, part: "key" | "value"): number {
  let at = root;
  for (const [index, step] of path.entries()) {
    const inner = at.parts.get(String(step));
    if (inner === undefined) break;
    at = inner;
    if (index === path.length - 1 && part === "key" && at.keyStart !== -1) return at.keyStart;
  }
  return at.start;
}
