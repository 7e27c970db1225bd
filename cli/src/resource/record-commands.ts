import type { List, Postern, Tagged } from "../../../sdk/src/index.ts";
import type { ArgumentSpec, CommandSpec, Context, OptionSpec } from "../frame/command.ts";
import { CommandError } from "../frame/command-error.ts";
import type { Input } from "../frame/input.ts";
import type { Column, Output, Piece } from "../frame/output.ts";
import { parseAssignments, patchOf, withPatch } from "./assignments.ts";
import { differenceLine, differences } from "./differences.ts";
import { printRecord, printWarnings } from "./print-record.ts";

/** Commands that every kind of record has. */

const LIMIT: OptionSpec = { flags: "--limit <number>", about: "print at most so many" };
export const IF_MATCH: OptionSpec = {
  flags: "--if-match <revision>",
  about: "only if the record is at this revision; '*' = at any",
};
export const LABELS_FILTER: OptionSpec = {
  flags: "--labels <name=value...>",
  about: "only records with this label; repeatable",
};
const MAX_LIMIT = 1_000_000;
/** Records of the largest page that the API answers. */
const MAX_PAGE = 200;

interface Unreadable {
  readonly id: string;
  readonly problem: string;
}

/** A page of any list: some name the records that cannot be read. */
interface AnyPage<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | number | null;
  readonly unreadable?: readonly Unreadable[];
}

interface ListSpec<T, Page extends AnyPage<T>> {
  readonly path: string;
  readonly summary: string;
  readonly example: string;
  readonly options?: readonly OptionSpec[];
  readonly columns: readonly Column<T>[];
  /** Lines below the row of an item. */
  readonly details?: (item: T) => readonly (readonly Piece[])[];
  /** The list has no end, so that each row is printed as it arrives. */
  readonly isLive?: (input: Input) => boolean;
  readonly list: (postern: Postern, input: Input, context: Listing) => Pick<List<Page>, "pages">;
}

interface Listing extends Pick<Context, "effects"> {
  /** Records of a page. */
  readonly limit: number;
}

/** Prints a list. Fails after its rows if records cannot be read, so that no program takes it for whole. */
export function listCommand<T, Page extends AnyPage<T>>(spec: ListSpec<T, Page>): CommandSpec {
  const { path, summary, example, columns } = spec;
  return {
    path,
    summary,
    example,
    options: [...(spec.options ?? []), LIMIT],
    async run({ api, input, output, effects }) {
      const limit = input.number("limit", { min: 1, max: MAX_LIMIT }) ?? Infinity;
      const unreadable: Unreadable[] = [];
      const list = spec.list(await api(), input, { limit: Math.min(limit, MAX_PAGE), effects });
      const isLive = spec.isLive?.(input) ?? false;
      const onUnreadable = (each: Unreadable): void => {
        if (isLive) output.note("warning: ", `${each.id} cannot be read: ${each.problem}`);
        else unreadable.push(each);
      };
      const { details } = spec;
      await output.table({ columns, details, isLive }, rowsOf(list, { limit, onUnreadable }));
      if (unreadable.length === 0) return;
      throw new CommandError(`${unreadable.length} records cannot be read`, {
        places: unreadable.map(({ id, problem }) => ({ where: id, message: problem })),
        hint: "Replace each, or delete it.",
      });
    },
  };
}

async function* rowsOf<T>(
  list: Pick<List<AnyPage<T>>, "pages">,
  { limit, onUnreadable }: { readonly limit: number; readonly onUnreadable: (each: Unreadable) => void },
): AsyncGenerator<T, void, void> {
  let left = limit;
  for await (const page of list.pages()) {
    for (const each of page.unreadable ?? []) onUnreadable(each);
    yield* page.items.slice(0, left);
    left -= page.items.length;
    if (left <= 0) return;
  }
}

/** A kind of record that commands name by one argument. */
interface RecordSpec {
  readonly path: string;
  readonly summary: string;
  readonly example: string;
  readonly argument: ArgumentSpec;
}

type Read = (postern: Postern, key: string) => Promise<Tagged<object>>;

const keyOf = ({ name }: ArgumentSpec, input: Input): string => input.argument(name.replaceAll(/[<>]/gu, ""));

/** Prints a record. `hidden` are fields that another command prints better. */
export function getCommand(spec: RecordSpec, read: Read, hidden: readonly string[] = []): CommandSpec {
  const { path, summary, example, argument } = spec;
  return {
    path,
    summary,
    example,
    arguments: [argument],
    async run({ api, input, output }) {
      const record = await read(await api(), keyOf(argument, input));
      const shown = Object.entries(record).filter(([name]) => output.isJson || !hidden.includes(name));
      printRecord(Object.fromEntries(shown), output);
    },
  };
}

/** Condition of a write: that of `--if-match`, or the revision that the record has now. */
async function conditionOf(
  { input }: Pick<Context, "input">,
  read: () => Promise<Tagged<object>>,
): Promise<{ readonly ifMatch: string | number }> {
  return { ifMatch: givenMatch(input) ?? (await read()).etag };
}

/** The value of `--if-match`; undefined = none. */
export function givenMatch(input: Input): string | number | undefined {
  const text = input.text("ifMatch");
  if (text === undefined || text === "*") return text;
  const revision = /^"?(?<revision>\d{1,15})"?$/u.exec(text)?.groups?.["revision"];
  if (revision === undefined) throw new CommandError("--if-match must be a revision, or '*'");
  return Number(revision);
}

interface ActionSpec extends RecordSpec {
  readonly furtherArguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  readonly read: Read;
  /** @returns the record as it is then; undefined = it is gone */
  readonly act: (
    postern: Postern,
    key: string,
    request: { readonly context: Context; readonly ifMatch: string | number },
  ) => Promise<object | void>;
  /** What is printed when it is gone. */
  readonly done?: string;
}

/** Writes one record under the condition of its revision, and prints what it is then. */
export function actionCommand(spec: ActionSpec): CommandSpec {
  const { path, summary, example, argument, read } = spec;
  return {
    path,
    summary,
    example,
    arguments: [argument, ...(spec.furtherArguments ?? [])],
    options: [...(spec.options ?? []), IF_MATCH],
    async run(context) {
      const { input, output } = context;
      const postern = await context.api();
      const key = keyOf(argument, input);
      const condition = await conditionOf(context, () => read(postern, key));
      const record = await spec.act(postern, key, { context, ...condition });
      if (record === undefined) output.line(key, ` ${spec.done ?? "deleted"}`);
      else printRecord(record, output);
    },
  };
}

/** Writes a record that is created, or with `--if-match` replaced, from the options. */
export function putCommand(
  spec: RecordSpec & {
    readonly options: readonly OptionSpec[];
    readonly put: (
      postern: Postern,
      key: string,
      request: { readonly context: Context; readonly ifMatch: string | number | undefined },
    ) => Promise<object>;
    readonly furtherArguments?: readonly ArgumentSpec[];
  },
): CommandSpec {
  const { path, summary, example, argument, options, furtherArguments = [] } = spec;
  return {
    path,
    summary,
    example,
    arguments: [argument, ...furtherArguments],
    options: [
      ...options,
      { ...IF_MATCH, about: "replace the record that is at this revision; '*' = at any" },
    ],
    async run(context) {
      const ifMatch = givenMatch(context.input);
      const request = { context, ifMatch };
      printRecord(
        await spec.put(await context.api(), keyOf(argument, context.input), request),
        context.output,
      );
    },
  };
}

interface SetSpec<T extends object> extends RecordSpec {
  readonly options?: readonly OptionSpec[];
  readonly read: (postern: Postern, key: string) => Promise<Tagged<T>>;
  /** Lines of the help. */
  readonly notes?: readonly string[];
  /** Writes the patch, or the record with it where the API takes whole records. */
  readonly write: (
    postern: Postern,
    key: string,
    change: {
      readonly input: Input;
      readonly patch: Readonly<Record<string, unknown>>;
      readonly changed: T;
      readonly ifMatch: string | number;
    },
  ) => Promise<T>;
  /** Prints, for people, what a write has done beside the record. */
  readonly printMore?: (
    postern: Postern,
    change: { readonly before: T; readonly after: T; readonly input: Input },
    output: Output,
  ) => Promise<void>;
  /** Short names of paths. */
  readonly shortNames?: Readonly<Record<string, string>>;
  /** Fields that another command shows better. */
  readonly hidden?: readonly string[];
}

/** `set`: changes fields and prints each difference. */
export function setCommand<T extends object>(spec: SetSpec<T>): CommandSpec {
  const { path, summary, example, argument, shortNames = {} } = spec;
  return {
    path,
    summary,
    example,
    arguments: [
      argument,
      {
        name: "<field=value...>",
        about: "`field=text`, `field=a,b` for a list, `field:=json` for any value",
      },
    ],
    options: [...(spec.options ?? []), IF_MATCH],
    notes: spec.notes ?? [],
    async run({ api, input, output }) {
      const assignments = parseAssignments(input.arguments("field=value"), shortNames);
      const postern = await api();
      const key = keyOf(argument, input);
      const before = await spec.read(postern, key);
      const patch = patchOf(assignments, before);
      const changed = withPatch(before, patch);
      const ifMatch = givenMatch(input) ?? before.etag;
      const after = await spec.write(postern, key, { input, patch, changed, ifMatch });
      output.json(after);
      const found = differences(before, after).filter((each) => !(spec.hidden ?? []).includes(each.path));
      if (found.length === 0) output.line("no difference");
      for (const difference of found) output.line(...differenceLine(difference));
      await spec.printMore?.(postern, { before, after, input }, output);
      printWarnings(after, output);
    },
  };
}
