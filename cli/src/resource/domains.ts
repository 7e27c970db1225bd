import type { Domain, DomainPage, Postern } from "../../../sdk/src/index.ts";
import type { ArgumentSpec, CommandSpec } from "../frame/command.ts";
import { EXIT } from "../frame/exit-code.ts";
import type { Input } from "../frame/input.ts";
import { type Output, painted } from "../frame/output.ts";
import { readJsonDocument } from "./json-document.ts";
import {
  actionCommand,
  getCommand,
  LABELS_FILTER,
  listCommand,
  putCommand,
  setCommand,
} from "./record-commands.ts";

const argument: ArgumentSpec = { name: "<domain>", about: "name of the domain" };
const read = (postern: Postern, name: string) => postern.domains.get(name);

/** Settings that are changed most, by a word. */
const SHORT_NAMES = {
  level: "tls.server.level",
  "min-version": "tls.server.minVersion",
  certificate: "tls.server.certificateId",
  "client-certificate": "tls.clientCertificate.mode",
  enforcement: "tls.enforcement",
  "mx-hosts": "mxHosts",
} as const;

export const SHARED_HOSTS = {
  flags: "--move-shared-hosts",
  about: "also change the certificate of the account's other domains on these MX hosts",
} as const;
export const sharedHostsOf = (input: Input) => (input.flag("moveSharedHosts") ? "move" : undefined);

const set = (path: string, example: string): CommandSpec =>
  setCommand({
    path,
    summary: "Change settings of a domain, and show each difference",
    example,
    argument,
    read,
    shortNames: SHORT_NAMES,
    options: [SHARED_HOSTS],
    write: (postern, name, { input, patch, ifMatch }) =>
      postern.domains.patch(name, patch, { ifMatch, sharedHosts: sharedHostsOf(input) }),
  });

/** The short form of `domains set`. */
export const SET: CommandSpec = set("set", "postern set example.com level=require");

type Item = DomainPage["items"][number];

/** Names that are pending still: the TXT record that each needs, and what was found. */
function printPending({ ownership }: Domain, output: Output): number {
  const names = [ownership, ...ownership.hosts].filter(({ state }) => state === "pending");
  for (const { record, value, lastCheck } of names)
    output.line(
      painted("warn", "pending: "),
      `${record} TXT "${value ?? ""}"`,
      lastCheck === null ? "" : `  (${lastCheck.result})`,
    );
  return names.length;
}

const ownershipCommand = (word: "verify" | "confirm", summary: string): CommandSpec => ({
  path: `domains ${word}`,
  summary,
  example: `postern domains ${word} example.com`,
  arguments: [argument],
  async run({ api, input, output }) {
    const name = input.argument("domain");
    const domain = await (await api()).domains[word](name);
    output.json(domain);
    const pending = printPending(domain, output);
    if (pending === 0) output.line(name, painted("good", " and its MX hosts are verified"));
    return pending === 0 ? EXIT.success : EXIT.failure;
  },
});

export const DOMAINS: readonly CommandSpec[] = [
  listCommand<Item, DomainPage>({
    path: "domains list",
    summary: "List domains",
    example: "postern domains list --prefix example",
    options: [
      { flags: "--prefix <text>", about: "only names that begin with it" },
      { flags: "--certificate <id>", about: "only those whose certificate it is" },
      LABELS_FILTER,
    ],
    columns: [
      { title: "NAME", cell: ({ name }) => name },
      { title: "LEVEL", cell: ({ tls }) => tls.server.level },
      { title: "CLIENT CERTIFICATE", cell: ({ tls }) => tls.clientCertificate.mode },
      { title: "ENFORCEMENT", cell: ({ tls }) => tls.enforcement },
      { title: "REVISION", cell: ({ revision }) => String(revision) },
      {
        title: "WARNINGS",
        cell: ({ warnings }) => painted("warn", warnings.length === 0 ? "" : String(warnings.length)),
      },
      { title: "MX HOSTS", cell: ({ mxHosts }) => mxHosts.join(" ") },
    ],
    list: (postern, input, { limit }) =>
      postern.domains.list({
        prefix: input.text("prefix"),
        certificateId: input.text("certificate"),
        label: input.texts("labels"),
        limit,
      }),
  }),
  getCommand(
    { path: "domains get", summary: "Show a domain", example: "postern domains get example.com", argument },
    read,
  ),
  putCommand({
    path: "domains put",
    summary: "Create a domain, or replace it with --if-match",
    example: "postern domains put example.com example.json",
    argument,
    furtherArguments: [{ name: "[file]", about: "its settings as JSON; - = stdin, left out = the defaults" }],
    options: [SHARED_HOSTS],
    put: async (postern, name, { context, ifMatch }) => {
      const file = context.input.optionalArgument("file");
      const settings = file === undefined ? {} : await readJsonDocument(context, file);
      return postern.domains.put(name, settings, {
        ifMatch,
        sharedHosts: sharedHostsOf(context.input),
      });
    },
  }),
  set("domains set", "postern domains set example.com enforcement=defer labels.team=mail"),
  ownershipCommand(
    "verify",
    "Look for the TXT records of its pending names now; exits with 1 while one is pending",
  ),
  ownershipCommand("confirm", "Take the pending names of an account's domain as its own: for operators"),
  actionCommand({
    path: "domains delete",
    summary: "Delete a domain",
    example: "postern domains delete example.com",
    argument,
    read,
    act: (postern, name, { ifMatch }) => postern.domains.delete(name, { ifMatch }),
  }),
];
