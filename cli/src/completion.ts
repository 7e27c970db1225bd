import type { CommandSpec, OptionSpec } from "./frame/command.ts";
import { CommandError } from "./frame/command-error.ts";
import { COMMON_OPTIONS } from "./frame/program.ts";

/** What may follow at one place of a command line. */
interface Node {
  /** Words before it, such as `domains list`; empty = none. */
  readonly path: string;
  readonly words: readonly Candidate[];
  readonly options: readonly OptionSpec[];
}

interface Candidate {
  readonly word: string;
  readonly about: string;
}

interface CompletionTable {
  readonly commands: readonly CommandSpec[];
  readonly groups: Readonly<Record<string, string>>;
}

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** @param table the commands that are completed, this one included */
export function completionCommand(table: () => CompletionTable): CommandSpec {
  return {
    path: "completion",
    summary: "Print a script that completes commands in a shell",
    example: "source <(postern completion bash)",
    arguments: [{ name: "<shell>", about: Object.keys(SHELLS).join(", ") }],
    async run({ input, output }) {
      const shell = input.argument("shell");
      if (!isShell(shell))
        throw new CommandError(`${shell} is not completed`, {
          hint: `One of ${Object.keys(SHELLS).join(", ")}.`,
        });
      output.block(SHELLS[shell](nodesOf(table())));
    },
  };
}

const isShell = (name: string): name is keyof typeof SHELLS => Object.hasOwn(SHELLS, name);

function nodesOf({ commands, groups }: CompletionTable): readonly Node[] {
  const paths = new Set(["", ...Object.keys(groups)]);
  const parents = [...paths].map((path) => ({
    path,
    words: childrenOf(path, { commands, groups }),
    options: path === "" ? COMMON_OPTIONS : [],
  }));
  const leaves = commands.map(({ path, options = [], ...command }) => ({
    path,
    words: path === "completion" ? shellsOf(command.arguments) : [],
    options: [...options, ...COMMON_OPTIONS],
  }));
  return [...parents, ...leaves];
}

const shellsOf = (specs: CommandSpec["arguments"] = []): readonly Candidate[] =>
  specs.flatMap(({ about }) => about.split(", ").map((word) => ({ word, about: "" })));

function childrenOf(parent: string, { commands, groups }: CompletionTable): readonly Candidate[] {
  const all = [
    ...commands.map(({ path, summary }) => ({ path, about: summary })),
    ...Object.entries(groups).map(([path, about]) => ({ path, about })),
  ];
  const prefix = parent === "" ? "" : `${parent} `;
  return all
    .filter(({ path }) => path.startsWith(prefix) && !path.slice(prefix.length).includes(" "))
    .map(({ path, about }) => ({ word: path.slice(prefix.length), about }));
}

const flagOf = ({ flags }: OptionSpec): string => flags.split(" ")[0] ?? "";

/** The body that bash and zsh share: `$cmd` holds the words so far, `$prev` the last one. */
function cases(nodes: readonly Node[]): string {
  const choices = nodes.flatMap(({ path, options }) =>
    options
      .filter((option) => option.choices !== undefined)
      .map((option) => `    "${path}:${flagOf(option)}") list="${option.choices?.join(" ")}" ;;`),
  );
  const lists = nodes.map(({ path, words, options }) => {
    const candidates = [...words.map(({ word }) => word), ...options.map(flagOf), "--help"];
    return `    "${path}:"*) list="${candidates.join(" ")}" ;;`;
  });
  return [`  case "$cmd:$prev" in`, ...choices, ...lists, "  esac"].join("\n");
}

/** Follows the words that are commands, so that options and arguments between them do not matter. */
const walk = (nodes: readonly Node[], word: string): string =>
  [
    `    case "$cmd|${word}" in`,
    ...nodes
      .filter(({ path }) => path !== "")
      .map(({ path }) => {
        const cut = path.lastIndexOf(" ");
        return `      "${path.slice(0, Math.max(0, cut))}|${path.slice(cut + 1)}") cmd="${path}" ;;`;
      }),
    "    esac",
  ].join("\n");

/** The word that the loop of each shell is at. */
const WORD = { bash: "${COMP_WORDS[i]}", zsh: "${words[i]}" } as const;

function bashScript(nodes: readonly Node[]): string {
  return `# bash completion of postern: source <(postern completion bash)
_postern() {
  local cmd="" list="" prev="\${COMP_WORDS[COMP_CWORD-1]}" i
  for ((i = 1; i < COMP_CWORD; i++)); do
${walk(nodes, WORD.bash)}
  done
${cases(nodes)}
  mapfile -t COMPREPLY < <(compgen -W "$list" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _postern postern
`;
}

function zshScript(nodes: readonly Node[]): string {
  return `#compdef postern
# zsh completion of postern: source <(postern completion zsh)
_postern() {
  local cmd="" list="" prev="\${words[CURRENT-1]}" i
  for ((i = 2; i < CURRENT; i++)); do
${walk(nodes, WORD.zsh)}
  done
${cases(nodes)}
  compadd -- \${=list} || _files
}
compdef _postern postern
`;
}

const quoted = (text: string): string => `'${text.replaceAll(/['\\]/gu, String.raw`\$&`)}'`;

function fishScript(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, words, options }) => {
    const under = path.split(" ").filter((word) => word !== "");
    const seen = under.map((word) => `__fish_seen_subcommand_from ${word}`);
    const none =
      words.length === 0
        ? []
        : [`not __fish_seen_subcommand_from ${words.map(({ word }) => word).join(" ")}`];
    const commands = words.map(({ word, about }) =>
      line([...seen, ...none], `-f -a ${word}${about === "" ? "" : ` -d ${quoted(about)}`}`),
    );
    const flags = options.map((option) => line(seen, fishOption(option)));
    return [...commands, ...flags];
  });
  return `# fish completion of postern: postern completion fish | source\n${lines.join("\n")}\n`;
}

function line(conditions: readonly string[], rest: string): string {
  const condition = conditions.length === 0 ? "" : ` -n ${quoted(conditions.join("; and "))}`;
  return `complete -c postern${condition} ${rest}`;
}

function fishOption({ flags, about, choices }: OptionSpec): string {
  const [flag = "", value] = flags.split(" ");
  const takes =
    value === undefined ? "" : choices === undefined ? " -r" : ` -x -a ${quoted(choices.join(" "))}`;
  return `-l ${flag.slice("--".length)}${takes} -d ${quoted(about)}`;
}
