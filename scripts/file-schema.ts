/** The JSON Schema of `postern.yaml`, made of the schemas of the API's requests. */

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Schema = Readonly<Record<string, Json>>;
type Schemas = Readonly<Record<string, Schema>>;

const IN_DOCUMENT = "#/components/schemas/";
const IN_FILE = "#/$defs/";
const LABEL: Schema = { type: "string", maxLength: 200 };

const fileField = (of: string): Schema => ({
  type: "string",
  minLength: 1,
  maxLength: 4096,
  description: `path of ${of}, relative to this file`,
});
const pemField = (of: string): Schema => ({ type: "string", minLength: 1, description: `${of}, in PEM` });

/** Members of a schema that the file has beside those of the API, or in place of them (null = not at all). */
const MEMBERS: Readonly<Record<string, Readonly<Record<string, Schema | null>>>> = {
  // The key of its entry says it.
  DomainInput: { name: null },
  TlsInputServer: {
    certificate: { ...LABEL, description: "label of a certificate; in place of certificateId" },
  },
  TlsInputClientCertificateTrust: {
    trustStores: {
      type: "array",
      items: LABEL,
      maxItems: 10,
      uniqueItems: true,
      description: "labels of trust stores, followed by those of trustStoreIds",
    },
  },
  SelfSignedCertificateInput: { label: null, renewalKey: { $ref: "#/$defs/RenewalKey" } },
  AcmeCertificateInput: { label: null, renewalKey: { $ref: "#/$defs/RenewalKey" } },
  AcmCertificateInput: { label: null },
  RequestCertificateInput: {
    label: null,
    certificateFile: fileField("the certificate that a CA issued for the signing request"),
    certificatePem: pemField("the certificate that a CA issued for the signing request"),
    chainFile: fileField("its intermediates"),
    chainPem: pemField("its intermediates"),
  },
  PemCertificateInput: {
    label: null,
    certificateFile: fileField("the leaf, which may have its chain"),
    certificatePem: pemField("the leaf, which may have its chain"),
    chainFile: fileField("the intermediates"),
    chainPem: pemField("the intermediates"),
    privateKeyFile: fileField("the private key, which is never in this file"),
    privateKeyPem: null,
    privateKeyPassphrase: null,
  },
  TrustStoreInput: {
    label: null,
    certificatesFile: fileField("the CAs' certificates"),
    certificatesPem: pemField("the CAs' certificates"),
    crlFile: fileField("their CRLs"),
    crlPem: pemField("their CRLs"),
  },
};

/** Members that one of two fields gives: the reader checks it, with a better text. */
const NOT_REQUIRED: ReadonlySet<string> = new Set(["certificatePem", "certificatesPem"]);

const SOURCES = [
  "SelfSignedCertificateInput",
  "PemCertificateInput",
  "RequestCertificateInput",
  "AcmeCertificateInput",
  "AcmCertificateInput",
] as const;

/** @param schemas those of the OpenAPI document, by name */
export function fileSchema(schemas: Schemas): Schema {
  const definitions: Record<string, Schema> = {
    RenewalKey: { type: "string", enum: ["keep", "new"], description: "whether a renewal keeps the key" },
  };
  const define = (name: string): Schema => {
    const schema = schemas[name];
    if (schema === undefined) throw new TypeError(`the document has no schema ${name}`);
    if (definitions[name] === undefined) {
      definitions[name] = {};
      definitions[name] = inFile(withMembers(schema, MEMBERS[name] ?? {}), define);
    }
    return { $ref: `${IN_FILE}${name}` };
  };
  const domain = define("DomainInput");
  const domainName = inFile(memberOf(schemas["DomainInput"], "name"), define);
  const certificate: Schema = {
    type: "object",
    required: ["source"],
    discriminator: { propertyName: "source" },
    oneOf: SOURCES.map(define),
  };
  const byKey = (description: string, propertyNames: Schema, additionalProperties: Schema): Schema => ({
    type: "object",
    description,
    propertyNames,
    additionalProperties,
    default: {},
  });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "postern.yaml",
    description: "Domains, certificates and trust stores of a Postern API, for plan and apply.",
    type: "object",
    properties: {
      name: {
        type: "string",
        minLength: 1,
        maxLength: 200,
        pattern: "^[A-Za-z0-9._-]+$",
        description: "value of the label managed-by of every record of this file",
      },
      trustStores: byKey("trust stores by label", LABEL, define("TrustStoreInput")),
      certificates: byKey("certificates by label", LABEL, certificate),
      domains: byKey("domains by name", domainName, domain),
    },
    additionalProperties: false,
    $defs: definitions,
  };
}

function withMembers(schema: Schema, members: Readonly<Record<string, Schema | null>>): Schema {
  const own = Object.entries(schema["properties"] ?? {}).filter(
    ([name, member]) => members[name] !== null && (member as Schema)["readOnly"] !== true,
  );
  const added = Object.entries(members).filter(([, member]) => member !== null);
  const required = [schema["required"] ?? []]
    .flat()
    .filter((name) => typeof name === "string" && !NOT_REQUIRED.has(name));
  const { examples: _examples, ...rest } = schema;
  return {
    ...rest,
    ...(schema["properties"] === undefined
      ? {}
      : { properties: Object.fromEntries([...own, ...added]) as Schema }),
    ...(required.length === 0 ? { required: [] } : { required }),
  };
}

function memberOf(schema: Schema | undefined, name: string): Schema {
  const member = (schema?.["properties"] as Schemas | undefined)?.[name];
  if (member === undefined) throw new TypeError(`DomainInput has no member ${name}`);
  const { description: _description, ...rest } = member;
  return rest;
}

/** With references into the file, each of which is defined there; `writeOnly` says nothing of a file. */
function inFile(schema: Schema, define: (name: string) => Schema): Schema {
  const convert = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value as Schema).flatMap(([key, member]): [string, Json][] => {
      if (key === "writeOnly") return [];
      if (key !== "$ref" || typeof member !== "string") return [[key, convert(member)]];
      const reference = member.startsWith(IN_DOCUMENT) ? define(member.slice(IN_DOCUMENT.length)) : null;
      return [[key, reference?.["$ref"] ?? member]];
    });
    return Object.fromEntries(entries);
  };
  return convert(schema) as Schema;
}
