import type { Postern, TrustStorePage } from "../../../sdk/src/index.ts";
import type { ArgumentSpec, OptionSpec } from "../frame/command.ts";
import { fileOption, givenFile } from "./certificate-files.ts";
import { LABEL_OPTIONS } from "./certificates.ts";
import { readText } from "./json-document.ts";
import { namedValues } from "./labels.ts";
import { namedById } from "./named-record.ts";
import { actionCommand, getCommand, LABELS_FILTER, listCommand, setCommand } from "./record-commands.ts";
import { printRecord } from "./print-record.ts";

const argument: ArgumentSpec = { name: "<id>", about: "id of the trust store" };
const FILE: ArgumentSpec = { name: "[file]", about: "certificates as PEM; - = stdin" };
const ID = "trust_01k9z3n5v0f3m8q2x7c4b6d1ea";
const read = (postern: Postern, id: string) => postern.trustStores.get(id);
const MAX_REVISION = 999_999_999_999_999;
const PEM_FIELDS = ["certificatesPem", "crlPem"];
const CRL: OptionSpec = { flags: "--crl <file>", about: "revocation lists as PEM" };

export const TRUST_STORES = namedById("trust store", [
  listCommand<TrustStorePage["items"][number], TrustStorePage>({
    path: "trust-stores list",
    summary: "List trust stores: the CAs that may vouch for clients",
    example: "postern trust-stores list",
    options: [LABELS_FILTER],
    columns: [
      { title: "ID", cell: ({ id }) => id },
      { title: "LABEL", cell: ({ label }) => label ?? "" },
      { title: "DOMAINS", cell: ({ usedBy }) => String(usedBy.count) },
      { title: "ANCHORS", cell: ({ anchors }) => anchors.map(({ subject }) => subject).join("; ") },
    ],
    list: (postern, input, { limit }) => postern.trustStores.list({ label: input.texts("labels"), limit }),
  }),
  getCommand(
    {
      path: "trust-stores get",
      summary: "Show a trust store",
      example: `postern trust-stores get ${ID}`,
      argument,
    },
    read,
    PEM_FIELDS,
  ),
  {
    path: "trust-stores pem",
    summary: "Print the certificates of a trust store",
    example: `postern trust-stores pem ${ID}`,
    arguments: [argument],
    async run({ api, input, output }) {
      output.block((await (await api()).trustStores.get(input.argument("id"))).certificatesPem);
    },
  },
  {
    path: "trust-stores create",
    summary: "Store the certificates of CAs",
    example: 'postern trust-stores create partners.pem --label "partners"',
    arguments: [FILE],
    options: [fileOption(FILE.about), CRL, ...LABEL_OPTIONS],
    async run(context) {
      const { api, input, output } = context;
      const crl = input.text("crl");
      const trustStore = {
        certificatesPem: await readText(context, givenFile(input)),
        crlPem: crl === undefined ? null : await readText(context, crl),
        label: input.text("label") ?? null,
        labels: namedValues("labels", input.texts("labels")),
      };
      printRecord(withoutPem(await (await api()).trustStores.create(trustStore), output.isJson), output);
    },
  },
  actionCommand({
    path: "trust-stores put",
    summary: "Replace the certificates of a trust store",
    example: `postern trust-stores put ${ID} partners.pem`,
    argument,
    furtherArguments: [FILE],
    options: [fileOption(FILE.about), CRL],
    read,
    act: async (postern, id, { context, ifMatch }) => {
      const { input, output } = context;
      const { label, labels, crlPem } = await postern.trustStores.get(id);
      const crl = input.text("crl");
      const document = {
        label,
        labels,
        certificatesPem: await readText(context, givenFile(input)),
        crlPem: crl === undefined ? crlPem : await readText(context, crl),
      };
      return withoutPem(await postern.trustStores.put(id, document, { ifMatch }), output.isJson);
    },
  }),
  setCommand({
    path: "trust-stores set",
    summary: "Change label or labels of a trust store",
    example: `postern trust-stores set ${ID} labels.team=mail`,
    argument,
    read,
    hidden: PEM_FIELDS,
    write: (postern, id, { changed, ifMatch }) => postern.trustStores.put(id, changed, { ifMatch }),
  }),
  actionCommand({
    path: "trust-stores restore",
    summary: "Put earlier contents in force again",
    example: `postern trust-stores restore ${ID} --revision 12`,
    argument,
    options: [
      {
        flags: "--revision <number>",
        about: "of the earlier contents: one of `previous` of the record",
        isRequired: true,
      },
    ],
    read,
    act: async (postern, id, { context, ifMatch }) => {
      const revision = context.input.number("revision", { min: 1, max: MAX_REVISION }) ?? 0;
      const restored = await postern.trustStores.restore(id, { revision }, { ifMatch });
      return withoutPem(restored, context.output.isJson);
    },
  }),
  actionCommand({
    path: "trust-stores delete",
    summary: "Delete a trust store",
    example: `postern trust-stores delete ${ID}`,
    argument,
    read,
    act: (postern, id, { ifMatch }) => postern.trustStores.delete(id, { ifMatch }),
  }),
]);

/** People read the PEM with `trust-stores pem`. */
const withoutPem = (record: object, isJson: boolean): object =>
  Object.fromEntries(Object.entries(record).filter(([name]) => isJson || !PEM_FIELDS.includes(name)));
