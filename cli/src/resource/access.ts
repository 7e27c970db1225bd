import {
  type AccountPage,
  type Postern,
  PosternError,
  type PrincipalDocument,
  type PrincipalPage,
  type TokenInput,
  type TokenPage,
} from "../../../sdk/src/index.ts";
import type { ArgumentSpec, CommandSpec, OptionSpec } from "../frame/command.ts";
import { CommandError, Explained } from "../frame/command-error.ts";
import { namedValues } from "./labels.ts";
import { namedById } from "./named-record.ts";
import { actionCommand, getCommand, listCommand, putCommand, setCommand } from "./record-commands.ts";
import { printRecord } from "./print-record.ts";

const SCOPES: OptionSpec = {
  flags: "--scope <scope...>",
  about: "such as domains:read; repeatable",
  isRequired: true,
};
const LABEL: OptionSpec = { flags: "--label <text>", about: "what it is, for people" };

const tokenId: ArgumentSpec = { name: "<id>", about: "id of the token" };
const TOKEN = "tok_01k9z3n5v0f3m8q2x7c4b6d1ea";
const readToken = (postern: Postern, id: string) => postern.tokens.get(id);

export const TOKENS = namedById("token", [
  listCommand<TokenPage["items"][number], TokenPage>({
    path: "tokens list",
    summary: "List tokens",
    example: "postern tokens list",
    columns: [
      { title: "ID", cell: ({ id }) => id },
      { title: "LABEL", cell: ({ label }) => label ?? "" },
      { title: "LAST USED", cell: ({ lastUsedAt }) => lastUsedAt ?? "never" },
      { title: "EXPIRES", cell: ({ expiresAt }) => expiresAt ?? "never" },
      { title: "SCOPES", cell: ({ scopes }) => scopes.join(" ") },
    ],
    list: (postern, _input, { limit }) => postern.tokens.list({ limit }),
  }),
  getCommand(
    {
      path: "tokens get",
      summary: "Show a token",
      example: `postern tokens get ${TOKEN}`,
      argument: tokenId,
    },
    readToken,
  ),
  {
    path: "tokens create",
    summary: "Make a token; it is shown once",
    example: 'postern tokens create --label "deploy job" --scope domains:read --scope domains:write',
    options: [
      SCOPES,
      LABEL,
      { flags: "--expires-at <time>", about: "such as 2027-01-31T00:00:00Z; left out = never" },
    ],
    async run({ api, input, output }) {
      const request = {
        scopes: input.texts("scope"),
        label: input.text("label") ?? null,
        expiresAt: input.text("expiresAt") ?? null,
      };
      printRecord(await (await api()).tokens.create(request as TokenInput), output);
    },
  },
  actionCommand({
    path: "tokens delete",
    summary: "Revoke a token",
    example: `postern tokens delete ${TOKEN}`,
    argument: tokenId,
    read: readToken,
    act: (postern, id, { ifMatch }) => postern.tokens.delete(id, { ifMatch }),
  }),
]);

const arn: ArgumentSpec = { name: "<arn>", about: "ARN of an IAM role or user" };
const ROLE = "arn:aws:iam::123456789012:role/deploy";
const readPrincipal = (postern: Postern, name: string) => postern.principals.get(name);

export const PRINCIPALS: readonly CommandSpec[] = [
  listCommand<PrincipalPage["items"][number], PrincipalPage>({
    path: "principals list",
    summary: "List the IAM principals that may call the API",
    example: "postern principals list",
    columns: [
      { title: "ARN", cell: (principal) => principal.arn },
      { title: "ACCOUNT", cell: ({ account }) => account },
      { title: "LABEL", cell: ({ label }) => label ?? "" },
      { title: "SCOPES", cell: ({ scopes }) => scopes.join(" ") },
    ],
    list: (postern, _input, { limit }) => postern.principals.list({ limit }),
  }),
  getCommand(
    {
      path: "principals get",
      summary: "Show a principal",
      example: `postern principals get ${ROLE}`,
      argument: arn,
    },
    readPrincipal,
  ),
  putCommand({
    path: "principals put",
    summary: "Give scopes to an IAM principal",
    example: `postern principals put ${ROLE} --scope domains:read --scope domains:write`,
    argument: arn,
    options: [SCOPES, LABEL],
    put: (postern, name, { context: { input }, ifMatch }) => {
      const document = { scopes: input.texts("scope"), label: input.text("label") ?? null };
      return postern.principals.put(name, document as PrincipalDocument, { ifMatch });
    },
  }),
  setCommand({
    path: "principals set",
    summary: "Change label or scopes of a principal",
    example: `postern principals set ${ROLE} scopes=domains:read,evaluate`,
    argument: arn,
    read: readPrincipal,
    write: (postern, name, { changed, ifMatch }) => postern.principals.put(name, changed, { ifMatch }),
  }),
  actionCommand({
    path: "principals delete",
    summary: "Delete a principal",
    example: `postern principals delete ${ROLE}`,
    argument: arn,
    read: readPrincipal,
    act: (postern, name, { ifMatch }) => postern.principals.delete(name, { ifMatch }),
  }),
];

const accountName: ArgumentSpec = { name: "<name>", about: "name of the account" };
const readAccount = (postern: Postern, name: string) => postern.accounts.get(name);

export const ACCOUNTS: readonly CommandSpec[] = [
  listCommand<AccountPage["items"][number], AccountPage>({
    path: "accounts list",
    summary: "List accounts",
    example: "postern accounts list",
    columns: [
      { title: "NAME", cell: ({ name }) => name },
      { title: "LABEL", cell: ({ label }) => label ?? "" },
      {
        title: "QUOTAS",
        cell: ({ quotas }) =>
          Object.entries(quotas)
            .filter(([, most]) => most !== null)
            .map(([kind, most]) => `${kind}=${most}`)
            .join(" "),
      },
    ],
    list: (postern, _input, { limit }) => postern.accounts.list({ limit }),
  }),
  getCommand(
    {
      path: "accounts get",
      summary: "Show an account",
      example: "postern accounts get acme",
      argument: accountName,
    },
    readAccount,
  ),
  putCommand({
    path: "accounts put",
    summary: "Create an account, or replace it with --if-match",
    example: "postern accounts put acme --label Acme --quota domains=100",
    argument: accountName,
    options: [
      LABEL,
      { flags: "--quota <kind=number...>", about: "most records of a kind, such as domains=100; repeatable" },
    ],
    put: (postern, name, { context: { input }, ifMatch }) => {
      const quotas = Object.entries(namedValues("quota", input.texts("quota"))).map(([kind, text]) => {
        if (!/^\d{1,9}$/u.test(text)) throw new CommandError(`--quota ${kind} takes a number`);
        return [kind, Number(text)] as const;
      });
      const document = { label: input.text("label") ?? null, quotas: Object.fromEntries(quotas) };
      return postern.accounts.put(name, document, { ifMatch });
    },
  }),
  setCommand({
    path: "accounts set",
    summary: "Change label or quotas of an account",
    example: "postern accounts set acme quotas.domains:=200",
    argument: accountName,
    read: readAccount,
    write: (postern, name, { changed, ifMatch }) => postern.accounts.put(name, changed, { ifMatch }),
  }),
  actionCommand({
    path: "accounts delete",
    summary: "Delete an account that is empty",
    example: "postern accounts delete acme",
    argument: accountName,
    read: readAccount,
    act: (postern, name, { ifMatch }) =>
      postern.accounts.delete(name, { ifMatch }).catch((error: Error) => {
        if (!(error instanceof PosternError) || error.code !== "in-use") throw error;
        const hint = `These are the account's own records: delete them first, with \`--account ${name}\`.`;
        throw new Explained(error, { hint });
      }),
  }),
];
