import { PosternError, type Postern } from "../../../sdk/src/index.ts";
import { Explained } from "../frame/command-error.ts";
import type { CommandSpec } from "../frame/command.ts";

/** Records that commands name by an id: people know them by a label. */
const KINDS = {
  certificate: { word: "certificates", all: (postern: Postern) => postern.certificates.list({ limit: 200 }) },
  "trust store": {
    word: "trust-stores",
    all: (postern: Postern) => postern.trustStores.list({ limit: 200 }),
  },
  token: { word: "tokens", all: (postern: Postern) => postern.tokens.list({ limit: 200 }) },
} as const;
type Kind = keyof typeof KINDS;

const ID = /^(?:cert|trust|tok)_[0-9a-z]{26}$/iu;
/** Records whose labels are compared. */
const MOST_RECORDS = 10_000;

/** What helps where `text` is the id of no record: the id of the one that has it as its label. */
export async function hintForId(postern: Postern, kind: Kind, text: string): Promise<string> {
  const { word } = KINDS[kind];
  const ids = await idsByLabel(postern, kind, text);
  if (ids.length === 1) return `"${text}" is the label of ${ids[0] ?? ""}: an id is needed here.`;
  const which = ids.length > 1 ? `Several have the label "${text}". ` : "";
  const need = ID.test(text) ? "" : "An id is needed here: ";
  return `${which}${need}\`postern ${word} list\` shows ids and labels.`;
}

async function idsByLabel(postern: Postern, kind: Kind, text: string): Promise<readonly string[]> {
  const ids: string[] = [];
  let left = MOST_RECORDS;
  try {
    for await (const { id, label } of KINDS[kind].all(postern)) {
      if (label === text) ids.push(id);
      if (ids.length > 1 || --left === 0) break;
    }
  } catch (error) {
    // Without the scope to list them no id can be offered.
    if (!(error instanceof PosternError)) throw error;
  }
  return ids;
}

/** The commands; those that take an id name it where it is not found, and offer the id of its label. */
export function namedById(kind: Kind, commands: readonly CommandSpec[]): readonly CommandSpec[] {
  return commands.map((command) => {
    if (command.arguments?.[0]?.name !== "<id>") return command;
    return {
      ...command,
      async run(context) {
        try {
          return await command.run(context);
        } catch (error) {
          if (!(error instanceof PosternError) || error.code !== "not-found") throw error;
          const id = context.input.argument("id");
          const message = error.detail === `${kind} not found` ? `${kind} ${id} not found` : undefined;
          throw new Explained(error, { message, hint: await hintForId(await context.api(), kind, id) });
        }
      },
    };
  });
}
