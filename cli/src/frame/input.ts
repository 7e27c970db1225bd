import { CommandError } from "./command-error.ts";

/** What the command line gives a command, after its parser has checked names and choices. */
export class Input {
  readonly #arguments: ReadonlyMap<string, string | readonly string[] | undefined>;
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(
    values: ReadonlyMap<string, string | readonly string[] | undefined>,
    options: Readonly<Record<string, unknown>>,
  ) {
    this.#arguments = values;
    this.#options = options;
  }

  /** A required argument. */
  argument(name: string): string {
    const value = this.#arguments.get(name);
    if (typeof value !== "string" || value === "") throw new CommandError(`${name} must not be empty`);
    return value;
  }

  optionalArgument(name: string): string | undefined {
    return this.#arguments.has(name) && this.#arguments.get(name) !== undefined
      ? this.argument(name)
      : undefined;
  }

  /** The values of an argument that may be repeated. */
  arguments(name: string): readonly string[] {
    const value = this.#arguments.get(name);
    return typeof value === "object" ? value : [];
  }

  flag(option: string): boolean {
    return this.#options[option] === true;
  }

  text(option: string): string | undefined {
    const value = this.#options[option];
    return typeof value === "string" ? value : undefined;
  }

  /** The values of an option that may be repeated. */
  texts(option: string): readonly string[] {
    const value = this.#options[option];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** A whole number. @throws CommandError unless it is within the bounds. */
  number(option: string, { min, max }: { readonly min: number; readonly max: number }): number | undefined {
    const text = this.text(option);
    if (text === undefined) return undefined;
    const value = /^\d{1,15}$/u.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new CommandError(`--${dashed(option)} must be a whole number from ${min} to ${max}`);
    return value;
  }
}

const dashed = (option: string): string =>
  option.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`);
