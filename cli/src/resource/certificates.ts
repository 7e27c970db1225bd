import type {
  CertificateInput,
  CertificateMaterialInput,
  CertificatePage,
  CertificateVersionList,
  Postern,
} from "../../../sdk/src/index.ts";
import type { ArgumentSpec, CommandSpec, OptionSpec } from "../frame/command.ts";
import { CommandError } from "../frame/command-error.ts";
import { type Column, painted } from "../frame/output.ts";
import { fileOption, givenFile, MATERIAL_OPTIONS, readMaterial } from "./certificate-files.ts";
import { namedValues } from "./labels.ts";
import { namedById } from "./named-record.ts";
import { actionCommand, getCommand, LABELS_FILTER, listCommand, setCommand } from "./record-commands.ts";
import { printRecord } from "./print-record.ts";

const argument: ArgumentSpec = { name: "<id>", about: "id of the certificate" };
const FILE: ArgumentSpec = { name: "[file]", about: "certificate and chain, or all of it" };
const ID = "cert_01k9z3n5v0f3m8q2x7c4b6d1ea";
const read = (postern: Postern, id: string) => postern.certificates.get(id);

export const LABEL_OPTIONS: readonly OptionSpec[] = [
  { flags: "--label <text>", about: "what it is, for people" },
  { flags: "--labels <name=value...>", about: "label for tools; repeatable" },
];

const KEY_TYPES = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"];
const MAX_DAYS = 3650;
const MAX_VERSION = 1_000_000;

const stateOf = (state: string) =>
  painted(state === "active" ? "good" : state === "failed" || state === "expired" ? "bad" : "warn", state);

/** Commands that read, and those that make a certificate. */
const BASIC: readonly CommandSpec[] = [
  listCommand<CertificatePage["items"][number], CertificatePage>({
    path: "certificates list",
    summary: "List certificates",
    example: "postern certificates list --state expiring",
    options: [
      {
        flags: "--state <state>",
        about: "only those in this state",
        choices: ["pending", "active", "expiring", "expired", "failed"],
      },
      LABELS_FILTER,
    ],
    columns: [
      { title: "ID", cell: ({ id }) => id },
      { title: "LABEL", cell: ({ label }) => label ?? "" },
      { title: "STATE", cell: ({ state }) => stateOf(state) },
      { title: "SOURCE", cell: ({ source }) => source },
      { title: "NOT AFTER", cell: ({ notAfter }) => notAfter ?? "" },
      { title: "DOMAINS", cell: ({ usedBy }) => String(usedBy.count) },
      { title: "NAMES", cell: ({ names }) => names.join(" ") },
    ],
    list: (postern, input, { limit }) =>
      postern.certificates.list({
        state: input.text("state"),
        label: input.texts("labels"),
        limit,
      } as Parameters<Postern["certificates"]["list"]>[0]),
  }),
  getCommand(
    {
      path: "certificates get",
      summary: "Show a certificate",
      example: `postern certificates get ${ID}`,
      argument,
    },
    read,
  ),
  {
    path: "certificates create",
    summary: "Have Postern make a certificate or its request",
    example: "postern certificates create --source self-signed --name mx1.example.com",
    options: [
      {
        flags: "--source <source>",
        about: "who signs it",
        choices: ["self-signed", "request", "acme", "acm"],
        isRequired: true,
      },
      { flags: "--name <host...>", about: "host name that it is for; repeatable", isRequired: true },
      { flags: "--key-type <type>", about: "type of the key", choices: KEY_TYPES },
      { flags: "--days <number>", about: "of a self-signed one: days until it expires" },
      { flags: "--directory <name>", about: "of acme: a name of ACME_DIRECTORIES" },
      { flags: "--challenge <type>", about: "of acme", choices: ["dns-01", "http-01"] },
      { flags: "--accept-charges", about: "of acm: AWS charges for each name" },
      ...LABEL_OPTIONS,
    ],
    async run({ api, input, output }) {
      const request = {
        source: input.text("source"),
        names: input.texts("name"),
        keyType: input.text("keyType"),
        days: input.number("days", { min: 1, max: MAX_DAYS }),
        directory: input.text("directory"),
        challenge: input.text("challenge"),
        acceptCharges: input.flag("acceptCharges") ? true : undefined,
        label: input.text("label"),
        labels: namedValues("labels", input.texts("labels")),
      };
      printRecord(await (await api()).certificates.create(request as CertificateInput), output);
    },
  },
  {
    path: "certificates upload",
    summary: "Store a certificate and its key: PEM or PKCS #12",
    example: "postern certificates upload mx1.pem --key mx1.key",
    arguments: [FILE],
    options: [fileOption(FILE.about), ...MATERIAL_OPTIONS, ...LABEL_OPTIONS],
    async run(context) {
      const { api, input, output } = context;
      const material = await readMaterial(context, givenFile(input));
      const label = input.text("label");
      const labels = namedValues("labels", input.texts("labels"));
      const request = { ...material, labels, ...(label === undefined ? {} : { label }) };
      printRecord(await (await api()).certificates.create(request as CertificateInput), output);
    },
  },
];

/** Texts and versions of one certificate. */
const PARTS: readonly CommandSpec[] = [
  {
    path: "certificates chain",
    summary: "Print the chain that is served, as PEM",
    example: `postern certificates chain ${ID}`,
    arguments: [argument],
    async run({ api, input, output }) {
      output.block(await (await api()).certificates.chainPem(input.argument("id")));
    },
  },
  {
    path: "certificates csr",
    summary: "Print the signing requests of its keys, as PEM",
    example: `postern certificates csr ${ID}`,
    arguments: [argument],
    async run({ api, input, output }) {
      output.block(await (await api()).certificates.csrPem(input.argument("id")));
    },
  },
  {
    path: "certificates versions",
    summary: "List the versions of a certificate",
    example: `postern certificates versions ${ID}`,
    arguments: [argument],
    async run({ api, input, output }) {
      const { items } = await (await api()).certificates.versions(input.argument("id"));
      const columns: readonly Column<CertificateVersionList["items"][number]>[] = [
        { title: "VERSION", cell: ({ version }) => String(version) },
        { title: "CAUSE", cell: ({ cause }) => cause ?? "" },
        { title: "ADDED", cell: ({ addedAt }) => addedAt ?? "" },
        { title: "RETIRED", cell: ({ retiredAt }) => retiredAt ?? "" },
        { title: "KEPT", cell: ({ isKept }) => (isKept ? "yes" : "no") },
      ];
      await output.table({ columns }, items);
    },
  },
  {
    path: "certificates status",
    summary: "Show which version each edge presents",
    example: `postern certificates status ${ID}`,
    arguments: [argument],
    async run({ api, input, output }) {
      printRecord(await (await api()).certificates.status(input.argument("id")), output);
    },
  },
];

type KeyAction = "makeNextKey" | "discardNextKey" | "rotate" | "renew";

const keyCommand = (word: string, action: KeyAction, summary: string): CommandSpec =>
  actionCommand({
    path: `certificates ${word}`,
    summary,
    example: `postern certificates ${word} ${ID}`,
    argument,
    read,
    act: (postern, id, { ifMatch }) => postern.certificates[action](id, { ifMatch }),
  });

const WRITES: readonly CommandSpec[] = [
  setCommand({
    path: "certificates set",
    summary: "Change label, labels or renewal of a certificate",
    example: `postern certificates set ${ID} label="mx1, Frankfurt"`,
    argument,
    read,
    write: (postern, id, { patch, ifMatch }) => postern.certificates.patch(id, patch, { ifMatch }),
  }),
  actionCommand({
    path: "certificates material",
    summary: "Store a new version of the same certificate",
    example: `postern certificates material ${ID} renewed.pem`,
    argument,
    furtherArguments: [FILE],
    options: [fileOption(FILE.about), ...MATERIAL_OPTIONS],
    read,
    act: async (postern, id, { context, ifMatch }) => {
      const material = await readMaterial(context, givenFile(context.input));
      return postern.certificates.putMaterial(id, material as CertificateMaterialInput, { ifMatch });
    },
  }),
  actionCommand({
    path: "certificates rollback",
    summary: "Serve an earlier version again",
    example: `postern certificates rollback ${ID} --to 3`,
    argument,
    options: [{ flags: "--to <version>", about: "the version", isRequired: true }],
    read,
    act: async (postern, id, { context, ifMatch }) => {
      const version = context.input.number("to", { min: 1, max: MAX_VERSION });
      if (version === undefined) throw new CommandError("--to is missing");
      return postern.certificates.rollback(id, version, { ifMatch });
    },
  }),
  keyCommand("next-key", "makeNextKey", "Make the next key ahead of its switch"),
  keyCommand("discard-next-key", "discardNextKey", "Discard the key that was made ahead"),
  keyCommand("rotate", "rotate", "Switch to the next key"),
  keyCommand("renew", "renew", "Renew before its time"),
  actionCommand({
    path: "certificates delete",
    summary: "Delete a certificate",
    example: `postern certificates delete ${ID}`,
    argument,
    options: [{ flags: "--replace-with <id>", about: "certificate that its MX hosts serve from then on" }],
    read,
    act: (postern, id, { context, ifMatch }) =>
      postern.certificates.delete(id, { ifMatch, replaceWith: context.input.text("replaceWith") }),
  }),
];

export const CERTIFICATES = namedById("certificate", [...BASIC, ...PARTS, ...WRITES]);
