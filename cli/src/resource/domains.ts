import { type Domain, type DomainPage, type Postern, PosternError } from "../../../sdk/src/index.ts";
import type { ArgumentSpec, CommandSpec } from "../frame/command.ts";
import { Explained } from "../frame/command-error.ts";
import { EXIT } from "../frame/exit-code.ts";
import { painted, type Piece } from "../frame/output.ts";
import { writing } from "./domain-problems.ts";
import { readJsonDocument } from "./json-document.ts";
import { valuesAt } from "./known-fields.ts";
import { printClaims, printPending } from "./pending-names.ts";
import { printRecord } from "./print-record.ts";
import {
  actionCommand,
  getCommand,
  givenMatch,
  IF_MATCH,
  LABELS_FILTER,
  listCommand,
  setCommand,
} from "./record-commands.ts";
import { printMoved, SHARED_HOSTS, sharedHostsOf } from "./shared-hosts.ts";

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

const WORDS = Object.keys(SHORT_NAMES);

/** A word of `set`, the path that it stands for, and its values. */
const wordLine = ([word, path]: readonly [string, string]): string => {
  const values = valuesAt(path.split("."));
  return `  ${word.padEnd(Math.max(...WORDS.map(({ length }) => length)))}  ${path}${values.length === 0 ? "" : `: ${values.join(", ")}`}`;
};

const SET_NOTES = [
  "Words for fields:",
  ...Object.entries(SHORT_NAMES).map(wordLine),
  "",
  "Any other field by its path; a list is split at commas, and := takes JSON:",
  "  mx-hosts=mx1.example.com,mx2.example.com labels.team=mail",
  "  certificate:=null tls.clientCertificate.names.allowed=mx.partner.example,gw.partner.example",
  `  tls.exceptions:='[{ "match": { "clientCidr": "192.0.2.0/24" }, "level": "accept", "reason": "old gateway" }]'`,
  "`labels.team=` removes a label. Fields of TLS and of exceptions are in docs/semantics.md.",
];

const set = (path: string, example: string): CommandSpec =>
  setCommand<Domain>({
    path,
    summary: "Change settings of a domain, and show each difference",
    example,
    argument,
    read,
    shortNames: SHORT_NAMES,
    notes: SET_NOTES,
    options: [SHARED_HOSTS],
    write: (postern, name, { input, patch, changed, ifMatch }) =>
      writing(postern, { name, settings: changed, words: WORDS }, () =>
        postern.domains.patch(name, patch, { ifMatch, sharedHosts: sharedHostsOf(input) }),
      ),
    async printMore(postern, { before, after, input }, output) {
      if (input.flag("moveSharedHosts") && after.revision !== before.revision)
        await printMoved(postern, after, output);
      printClaims(after, output);
    },
  });

/** The short form of `domains set`. */
export const SET: CommandSpec = set("set", "postern set example.com level=require");

type Item = DomainPage["items"][number];

function ownershipCell({ ownership }: Item): Piece {
  if (ownership.state === "pending") return painted("warn", "pending");
  const { length } = ownership.hosts;
  return length === 0 ? "verified" : painted("warn", `${length} ${length === 1 ? "host" : "hosts"} pending`);
}

const PUT: CommandSpec = {
  path: "domains put",
  summary: "Create a domain, or replace it with --if-match",
  example: "postern domains put example.com example.json",
  arguments: [
    argument,
    { name: "[file]", about: "its settings as JSON; - = stdin, left out = the defaults" },
  ],
  options: [
    SHARED_HOSTS,
    { ...IF_MATCH, about: "replace the record that is at this revision; '*' = at any" },
  ],
  async run(context) {
    const { api, input, output } = context;
    const name = input.argument("domain");
    const file = input.optionalArgument("file");
    const settings = file === undefined ? {} : await readJsonDocument(context, file);
    const ifMatch = givenMatch(input);
    const sharedHosts = sharedHostsOf(input);
    const postern = await api();
    // A write without a difference has the revision of an earlier one, which may have moved others.
    const isCompared = sharedHosts !== undefined && ifMatch !== undefined && !output.isJson;
    const before = isCompared ? (await read(postern, name)).revision : null;
    const after = await writing(postern, { name, settings, words: [] }, () =>
      postern.domains.put(name, settings, { ifMatch, sharedHosts }),
    );
    printRecord(after, output);
    if (sharedHosts !== undefined && after.revision !== before) await printMoved(postern, after, output);
    printClaims(after, output);
  },
};

const OTHER_ACCOUNT =
  "A domain of another account is not found here: an operator names that account with `--account <name>`.";

const ownershipCommand = (word: "verify" | "confirm", summary: string): CommandSpec => ({
  path: `domains ${word}`,
  summary,
  example: `postern domains ${word} example.com`,
  arguments: [argument],
  async run({ api, input, output }) {
    const name = input.argument("domain");
    const postern = await api();
    const domain = await postern.domains[word](name).catch((error: Error) => {
      if (!(error instanceof PosternError) || error.code !== "not-found") throw error;
      throw input.text("account") === undefined ? new Explained(error, { hint: OTHER_ACCOUNT }) : error;
    });
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
      { title: "OWNERSHIP", cell: ownershipCell },
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
  PUT,
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
