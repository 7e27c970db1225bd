/**
 * Parts of the OpenAPI document that get a name: every object schema, every answer that several operations
 * share, and the headers of answers. Generated clients have a type for each.
 */

import type { OpenAPIHono } from "@hono/zod-openapi";
import { REPLAYED } from "./idempotency-key.ts";
import type { ProblemCode } from "./problem.ts";

export type OpenApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

type Json = Record<string, unknown>;

/** Members of a schema that belong to the place where it is used, beside a reference to it. */
const OF_THE_PLACE = ["description", "default", "readOnly", "deprecated", "example", "examples"] as const;
/** Members that hold values, not schemas. */
const VALUES: ReadonlySet<string> = new Set([...OF_THE_PLACE, "enum", "const", "required"]);

/** Better names than those of the places where a schema stands first. */
export const COMPONENT_NAMES: Readonly<Record<string, string>> = {
  AccountDocumentQuotas: "QuotasInput",
  AccountQuotas: "Quotas",
  CertificateAcmeCaa: "CaaRecord",
  CertificateChangeBefore: "LoggedCertificate",
  CertificateKeys: "CertificateKey",
  CertificateLeftOut: "LeftOutCertificate",
  CertificateNextKey: "NextCertificateKey",
  CertificatePatchLabels: "LabelsPatch",
  CertificateRequest: "SigningRequest",
  CertificateStatusEdgesLive: "CertificateAtEdge",
  CertificateStatusEdgesLiveProblem: "CertificateAtEdgeProblem",
  CertificateTimeline: "CertificateEvent",
  CertificateValidation: "ValidationRecord",
  CertificateVersionListItem: "CertificateVersion",
  CertificateVersionListItemKey: "CertificateVersionKey",
  ChangeListUnreadable: "UnreadableChange",
  DomainChangeBefore: "LoggedDomain",
  DomainChangeMovedDomains: "MovedDomains",
  DomainChangeMxHost: "ChangedMxHost",
  DomainLabels: "Labels",
  DomainListUnreadable: "UnreadableRecord",
  DomainStatusEdgesLive: "DomainAtEdge",
  DomainStatusUnreadable: "UnreadableAtEdge",
  EvaluatedClientCertificatePresented: "PresentedClientCertificate",
  EvaluationOutcomeException: "EvaluatedException",
  Pkcs12CertificateInputLabels: "LabelsInput",
  TlsPatchException: "TlsExceptionInput",
  TlsPatchExceptionMatch: "TlsExceptionMatchInput",
  TlsSettingsException: "TlsException",
  TlsSettingsExceptionMatch: "TlsExceptionMatch",
  TokenListUnreadable: "UnreadableAccessRecord",
  TrustStoreChangeBefore: "LoggedTrustStore",
  TrustStoreSummaryAnchor: "TrustAnchor",
  TrustStoreSummaryAnchorLimits: "TrustAnchorLimits",
  TrustStoreSummaryCrl: "TrustStoreCrl",
  TrustStoreSummaryPrevious: "EarlierTrustStore",
  TrustStoreSummaryUsedBy: "UsedBy",
};

/** Moves parts of `document` into its components, in place. */
export function nameComponents(document: OpenApiDocument): void {
  const schemas = (document.components?.schemas ?? {}) as Record<string, Json>;
  const named = new SchemaNames(schemas);
  // The smaller first: what is a part of a larger one has a name by then.
  const bySize = Object.entries(schemas).toSorted(([, a], [, b]) => sizeOf(a) - sizeOf(b));
  for (const [name, schema] of bySize) named.moveBelow(schema, name);
  nameAnswers(document);
}

const sizeOf = (schema: Json): number => JSON.stringify(schema).length;

/** A schema without what belongs to the place where it is used, and without null. */
const contentOf = (schema: Json): Json => ({
  ...Object.fromEntries(
    Object.entries(schema).filter(([key]) => !(OF_THE_PLACE as readonly string[]).includes(key)),
  ),
  type: "object",
});

class SchemaNames {
  readonly #schemas: Record<string, Json>;
  /** Name of each schema that was moved, by its text. */
  readonly #moved = new Map<string, string>();

  constructor(schemas: Record<string, Json>) {
    this.#schemas = schemas;
  }

  /** Moves every object schema below a component, innermost first. */
  moveBelow(component: Json, name: string): void {
    this.#moveInside(component, name);
    if (component["type"] === "object") this.#moved.set(JSON.stringify(contentOf(component)), name);
  }

  /** @param name of the place: those of the schemas around it. */
  #moveInside(schema: Json, name: string): void {
    for (const [key, value] of Object.entries(schema)) {
      if (VALUES.has(key)) continue;
      if (key === "properties")
        for (const inner of Object.keys(value as Json))
          this.#moveFrom(value as Json, inner, `${name}${capitalised(inner)}`);
      else if (key === "items" || key === "additionalProperties") this.#moveFrom(schema, key, singular(name));
      else if (Array.isArray(value))
        for (const [at, each] of value.entries())
          this.#moveFrom(value, String(at), `${name}${variantOf(each) || at + 1}`);
    }
  }

  #moveFrom(holder: object, key: string, place: string): void {
    const schema: unknown = Reflect.get(holder, key);
    if (typeof schema !== "object" || schema === null || "$ref" in schema) return;
    this.#moveInside(schema as Json, place);
    const types = [(schema as Json)["type"]].flat();
    if (types.includes("object")) Reflect.set(holder, key, this.#reference(schema as Json, place));
  }

  #reference(schema: Json, place: string): Json {
    const here = OF_THE_PLACE.flatMap((key) => (key in schema ? [[key, schema[key]] as const] : []));
    const $ref = `#/components/schemas/${this.#nameOf(contentOf(schema), place)}`;
    const reference = [schema["type"]].flat().includes("null")
      ? { oneOf: [{ $ref }, { type: "null" }] }
      : { $ref };
    return { ...reference, ...Object.fromEntries(here) };
  }

  #nameOf(schema: Json, place: string): string {
    const text = JSON.stringify(schema);
    const known = this.#moved.get(text);
    if (known !== undefined) return known;
    const name = COMPONENT_NAMES[place] ?? place;
    if (name in this.#schemas) throw new TypeError(`two schemas would have the name ${name}`);
    this.#schemas[name] = schema;
    this.#moved.set(text, name);
    return name;
  }
}

const capitalised = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** `TlsExceptions` holds items that are each a `TlsException`. */
const singular = (name: string): string => name.replace(/ies$/u, "y").replace(/(?<=[a-z][^su])s$/u, "");

/** What tells a variant from the others: the one value of a member of it. */
function variantOf(variant: unknown): string {
  const members: unknown[] = Object.values(Object(Object(variant).properties) as Json);
  const [value, ...others] = members.flatMap((member) => Object(member).const ?? Object(member).enum ?? []);
  return typeof value === "string" && others.length === 0 ? pascal(value) : "";
}

const pascal = (code: string): string => code.split("-").map(capitalised).join("");

interface Answer {
  readonly $ref?: string;
  readonly headers?: Json;
  readonly content?: Json;
}
type Answers = Record<string, Answer>;

/** Problems become components, since the same ones belong to many operations; so do headers. */
function nameAnswers(document: OpenApiDocument): void {
  const headers: Json = {};
  const responses: Answers = {};
  for (const answers of answersOf(document)) {
    for (const answer of Object.values(answers)) nameHeaders(answer, headers);
    const problems = Object.entries(answers).filter(([status]) => status >= "4");
    for (const [status, answer] of problems) answers[status] = nameProblem(status, answer, responses);
  }
  Reflect.set(document, "components", { ...document.components, responses, headers });
}

/** The answers of each operation, by their status. */
function answersOf(document: OpenApiDocument): Answers[] {
  const items: object[] = Object.values(document.paths ?? {});
  const operations = items.flatMap((item) => Object.values(item) as { responses?: Answers }[]);
  return operations.map(({ responses = {} }) => responses);
}

function nameProblem(status: string, answer: Answer, named: Answers): Answer {
  const replayed = REPLAYED in (answer.headers ?? {}) ? "Replayable" : "";
  const name = `${replayed}Problem${status}${codesOf(answer).map(pascal).join("")}`;
  named[name] ??= answer;
  // Those of the health checks have fewer headers than those below /v1, and stay where they are.
  if (JSON.stringify(named[name]) !== JSON.stringify(answer)) return answer;
  return { $ref: `#/components/responses/${name}` };
}

/** Header by header: `ETag` of a record and `ETag` of a problem have other texts, so the second one stays. */
function nameHeaders({ headers = {} }: Answer, named: Json): void {
  for (const [name, header] of Object.entries(headers)) {
    named[name] ??= header;
    if (JSON.stringify(named[name]) === JSON.stringify(header))
      headers[name] = { $ref: `#/components/headers/${name}` };
  }
}

/** Codes of the problems that an answer may have: those of its examples. */
export const codesOf = ({ content = {} }: { readonly content?: object }): readonly ProblemCode[] =>
  // As problem() of route-parts.ts wrote them.
  Object.values(content).flatMap((body) => Object.keys(Object(Object(body).examples)) as ProblemCode[]);
