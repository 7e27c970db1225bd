import { Ended, type Effects, type Sink } from "./effects.ts";
import { EXIT } from "./exit-code.ts";
import { terminalBlock, terminalJson, terminalText } from "./terminal-text.ts";

const STYLES = { bold: "1", dim: "2", bad: "31", good: "32", warn: "33" } as const;
type Style = keyof typeof STYLES;

/** A text with a colour, where there are colours. */
export interface Painted {
  readonly text: string;
  readonly style: Style;
}
export type Piece = string | Painted;

export const painted = (style: Style, text: string): Painted => ({ style, text });

/** One column of a table. */
export interface Column<T> {
  readonly title: string;
  readonly cell: (item: T) => Piece;
}

export interface TableSpec<T> {
  readonly columns: readonly Column<T>[];
  /** Lines below the row of an item. */
  readonly details?: ((item: T) => readonly Line[]) | undefined;
  /** The first row sets the widths, and is not held back for later ones. */
  readonly isLive?: boolean;
}

type Line = readonly Piece[];

/** Rows whose widths set the columns; later rows are written as they arrive. */
const ROWS_MEASURED = 200;
const GAP = "  ";
const CLEAR_LINE = "\r\u001b[K";

const textOf = (piece: Piece): string => terminalText(typeof piece === "string" ? piece : piece.text);

/**
 * What a command prints: for people, or with `--json` one JSON value a line. No value reaches a terminal with
 * a character that it would act on.
 */
export class Output {
  readonly isJson: boolean;
  readonly #stdout: Sink;
  readonly #stderr: Sink;
  readonly #hasColor: boolean;
  #isProgressShown = false;

  constructor({ stdout, stderr, env }: Pick<Effects, "stdout" | "stderr" | "env">, isJson: boolean) {
    this.isJson = isJson;
    this.#stdout = stdout;
    this.#stderr = stderr;
    // no-color.org: any value that is not empty.
    this.#hasColor = (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  }

  /** A line for people; nothing with `--json`. */
  line(...pieces: readonly Piece[]): void {
    if (!this.isJson) this.#print(this.#joined(pieces, this.#stdout));
  }

  /** A value for programs; nothing without `--json`. */
  json(value: unknown): void {
    if (this.isJson) this.#print(terminalJson(value));
  }

  /** A text that is the same for both, such as PEM or a script. */
  block(text: string): void {
    this.#print(terminalBlock(text).replace(/\n$/u, ""));
  }

  /** A record: its fields one a line, or the value. */
  record(value: object): void {
    this.json(value);
    const fields = fieldsOf(value);
    const width = Math.max(0, ...fields.map(([path]) => path.length));
    for (const [path, text] of fields) this.line(painted("dim", path.padEnd(width)), GAP, text);
  }

  /** A table: the rows in columns, or each item as a value. */
  async table<T>(spec: TableSpec<T>, items: AsyncIterable<T> | Iterable<T>): Promise<void> {
    const table = new Table(spec);
    for await (const item of items) {
      this.json(item);
      for (const row of this.isJson ? [] : table.add(item)) this.line(...row);
    }
    for (const row of this.isJson ? [] : table.end()) this.line(...row);
  }

  /** A line on stderr for people, also with `--json`. */
  note(...pieces: readonly Piece[]): void {
    this.#clearProgress();
    this.#stderr.write(`${this.#joined(pieces, this.#stderr)}\n`);
  }

  /** A JSON value on stderr. */
  noteJson(value: unknown): void {
    this.#clearProgress();
    this.#stderr.write(`${terminalJson(value)}\n`);
  }

  /** Replaces the line that shows how far long work is: on a terminal alone. */
  progress(text: string): void {
    if (!this.#stderr.isTerminal) return;
    this.#stderr.write(`${CLEAR_LINE}${terminalText(text).slice(0, this.#stderr.columns - 1)}`);
    this.#isProgressShown = true;
  }

  /** Removes the progress line. */
  end(): void {
    this.#clearProgress();
  }

  #clearProgress(): void {
    if (this.#isProgressShown) this.#stderr.write(CLEAR_LINE);
    this.#isProgressShown = false;
  }

  /** Whether output was not written. */
  get hasFailed(): boolean {
    return this.#stdout.failed.aborted;
  }

  /** @throws Ended where an earlier text was not written: no work goes on whose result is lost */
  #print(text: string): void {
    this.#clearProgress();
    if (this.hasFailed) throw new Ended(EXIT.failure);
    this.#stdout.write(`${text}\n`);
  }

  #joined(pieces: readonly Piece[], sink: Sink): string {
    const hasColor = this.#hasColor && sink.isTerminal;
    const line = pieces.map((piece) =>
      typeof piece === "string" || !hasColor
        ? textOf(piece)
        : `\u001b[${STYLES[piece.style]}m${textOf(piece)}\u001b[0m`,
    );
    return line.join("").trimEnd();
  }
}

/** Rows in columns as wide as the widest of the first ones. */
class Table<T> {
  readonly #spec: TableSpec<T>;
  #held: { readonly row: Line; readonly details: readonly Line[] }[] = [];
  #widths: readonly number[] | null = null;

  constructor(spec: TableSpec<T>) {
    this.#spec = spec;
  }

  /** @returns the lines that can be written now */
  add(item: T): readonly Line[] {
    const { columns, details, isLive = false } = this.#spec;
    const row = columns.map(({ cell }) => cell(item));
    const below = details?.(item) ?? [];
    if (this.#widths !== null) return [padded(row, this.#widths), ...below];
    this.#held.push({ row, details: below });
    return this.#held.length < (isLive ? 1 : ROWS_MEASURED) ? [] : this.end();
  }

  end(): readonly Line[] {
    if (this.#widths !== null || this.#held.length === 0) return [];
    const { columns } = this.#spec;
    const titles = columns.map(({ title }) => painted("bold", title));
    const held = [{ row: titles, details: [] }, ...this.#held];
    this.#held = [];
    const widths = columns.map((_, column) =>
      Math.max(...held.map(({ row }) => textOf(row[column] ?? "").length)),
    );
    this.#widths = widths;
    return held.flatMap(({ row, details }) => [padded(row, widths), ...details]);
  }
}

const padded = (row: readonly Piece[], widths: readonly number[]): readonly Piece[] =>
  row.flatMap((piece, column) => [
    piece,
    " ".repeat(Math.max(0, (widths[column] ?? 0) - textOf(piece).length)) + GAP,
  ]);

/** The fields of a document by their paths, as `tls.server.level`; arrays of values are one field. */
export function fieldsOf(value: unknown, path = ""): readonly (readonly [path: string, text: string])[] {
  if (typeof value !== "object" || value === null) return [[path, textOfValue(value)]];
  if (Array.isArray(value) && !value.some((each) => typeof each === "object" && each !== null))
    return [[path, value.length === 0 ? "none" : value.map(textOfValue).join(", ")]];
  const entries = Object.entries(value);
  if (entries.length === 0) return [[path, "none"]];
  return entries.flatMap(([name, each]) => fieldsOf(each, path === "" ? name : `${path}.${name}`));
}

function textOfValue(value: unknown): string {
  if (value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}
