/** A place in a text, counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong at a place of the file. */
export interface Mistake extends Place {
  readonly message: string;
}

const MOST_SHOWN = 50;

/** Mistakes of a file, by their places. */
export class Mistakes extends Error {
  override readonly name = "Mistakes";
  readonly mistakes: readonly Mistake[];

  constructor(mistakes: readonly Mistake[]) {
    super(`${mistakes.length} mistakes`);
    this.mistakes = mistakes.toSorted((a, b) => a.line - b.line || a.column - b.column);
  }

  /** As editors and compilers name places: `postern.yaml:3:5`. The last one says how many more there are. */
  placesFor(file: string): readonly { readonly where: string; readonly message: string }[] {
    const shown = this.mistakes
      .slice(0, MOST_SHOWN)
      .map(({ line, column, message }) => ({ where: `${file}:${line}:${column}`, message }));
    const more = this.mistakes.length - shown.length;
    return more === 0 ? shown : [...shown, { where: file, message: `${more} more` }];
  }
}
