import { Argument, Command, Option } from "commander";
import type { CommandSpec, OptionSpec } from "./command.ts";
import type { Effects } from "./effects.ts";
import { Input } from "./input.ts";

/** Options of every command. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { flags: "--json", about: "print JSON, one value a line" },
  { flags: "--profile <name>", about: "profile that `postern login` wrote" },
  { flags: "--account <name>", about: "act in this account: for operators" },
];

/** A command with what the command line gives it. */
export interface Invocation {
  readonly command: CommandSpec;
  readonly input: Input;
}

export interface CommandTable {
  readonly version: string;
  readonly commands: readonly CommandSpec[];
  /** Summaries of the words that only lead to other commands, such as `domains`. */
  readonly groups: Readonly<Record<string, string>>;
}

/**
 * Parses a command line.
 *
 * @throws CommanderError for mistakes, `--help` and `--version`, after it has printed; it has the exit code
 */
export function parseCommandLine(argv: readonly string[], table: CommandTable, effects: Effects): Invocation {
  let invocation: Invocation | null = null;
  const program = rootOf(table, effects);
  const parents = new Map<string, Command>([["", program]]);
  for (const command of table.commands)
    parentOf(command.path, { parents, groups: table.groups }).addCommand(
      commanderOf(command, program, (input) => {
        invocation = { command, input };
      }),
    );
  program.parse(isKnown(argv, table) ? argv : argv.filter((word) => !HELP.has(word)), { from: "user" });
  // Without a command, and without help: commander has thrown.
  return invocation ?? program.error("no command");
}

const HELP: ReadonlySet<string> = new Set(["--help", "-h"]);

/** Whether the words that lead to a command are those of one: commander shows the help of what it knows. */
function isKnown(argv: readonly string[], { commands, groups }: CommandTable): boolean {
  const paths = commands.map(({ path }) => path);
  let path = "";
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    const option = COMMON_OPTIONS.find(({ flags }) => flags.split(" ")[0] === word);
    if (option?.flags.includes("<") === true) index++;
    if (word.startsWith("-")) continue;
    path = path === "" ? word : `${path} ${word}`;
    if (paths.includes(path) || path === "help") return true;
    if (!Object.hasOwn(groups, path)) return false;
  }
  return true;
}

function rootOf({ version }: CommandTable, { stdout, stderr }: Effects): Command {
  const program = new Command("postern")
    .description("The gate for incoming mail: TLS settings of each recipient domain.")
    .version(version, "--version", "print the version")
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: stdout.write,
      writeErr: stderr.write,
      outputError: (text, write) => write(text.replace(/^error: /u, "postern: ")),
      getOutHelpWidth: () => stdout.columns,
      getErrHelpWidth: () => stderr.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError("hint: add --help for the usage and an example");
  for (const option of COMMON_OPTIONS) program.addOption(optionOf(option));
  return program;
}

const lastWord = (path: string): string => path.slice(path.lastIndexOf(" ") + 1);
const withoutLastWord = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf(" ")));

interface Tree {
  readonly parents: Map<string, Command>;
  readonly groups: CommandTable["groups"];
}

function parentOf(path: string, tree: Tree): Command {
  const parentPath = withoutLastWord(path);
  const known = tree.parents.get(parentPath);
  if (known !== undefined) return known;
  const made = parentOf(parentPath, tree)
    .command(lastWord(parentPath))
    .description(tree.groups[parentPath] ?? "");
  tree.parents.set(parentPath, made);
  return made;
}

function commanderOf(spec: CommandSpec, root: Command, found: (input: Input) => void): Command {
  const command = new Command(lastWord(spec.path))
    .copyInheritedSettings(root)
    .description(spec.summary)
    .addHelpText("after", `${notesOf(spec)}\nExample:\n  $ ${spec.example}\n`);
  const specs = spec.arguments ?? [];
  for (const { name, about } of specs) command.addArgument(new Argument(name, about));
  for (const option of spec.options ?? []) command.addOption(optionOf(option));
  const names = specs.map(({ name }) => name.replaceAll(/[<>[\].]/gu, ""));
  return command.action((...given: readonly unknown[]) => {
    const values = names.map((name, index) => [name, given[index] as string | readonly string[]] as const);
    found(new Input(new Map(values), command.optsWithGlobals()));
  });
}

const notesOf = ({ notes = [] }: CommandSpec): string =>
  notes.length === 0 ? "" : `\n${notes.join("\n")}\n`;

function optionOf({ flags, about, choices, isRequired }: OptionSpec): Option {
  const option = new Option(flags.replace("...", ""), about);
  if (choices !== undefined) option.choices(choices);
  if (isRequired === true) option.makeOptionMandatory();
  // One value each time: `--label a=1 example.com` would else take the argument after it.
  if (flags.includes("..."))
    option.argParser((value, previous: readonly string[] | undefined) => [...(previous ?? []), value]);
  return option;
}
