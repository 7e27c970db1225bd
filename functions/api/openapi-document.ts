import type { OpenAPIHono } from "@hono/zod-openapi";
import { ACCOUNT_NAME } from "../../core/access/account-name.ts";
import { type Scope, SCOPES } from "../../core/access/scope.ts";
import { ANSWER_EXAMPLES, OPERATION_EXAMPLES } from "./answer-examples.ts";
import type { ApiEnv } from "./api-env.ts";
import { linkRecords } from "./document-links.ts";
import { MEMBER_TEXTS, SCHEMA_TEXTS } from "./document-texts.ts";
import { codesOf, nameComponents, type OpenApiDocument } from "./document-components.ts";
import { problemExample } from "./problem-examples.ts";
import { NDJSON_TYPE, RAW_TYPE } from "./line-type.ts";
import { IDEMPOTENCY_KEY } from "./idempotency-key.ts";
import type { ProblemCode } from "./problem.ts";
import { SCOPE_MEMBER } from "./declared-routes.ts";
import { REPLAYED_HEADER } from "./route-parts.ts";
import { ACCOUNT_HEADER } from "./route-scopes.ts";

const INFO = {
  openapi: "3.1.0",
  info: {
    title: "Postern",
    version: "1",
    description:
      "TLS and client-certificate settings for each recipient domain. Requests below /v1 need `Authorization: Bearer` with a token, or a signature where the operator uses IAM. A change of an existing record needs If-Match with the ETag that was read, or `*`. A POST that creates or acts may carry an Idempotency-Key, and can then be sent again safely. Lists are read page by page: `cursor` is `nextCursor` of the previous page. Errors are application/problem+json (RFC 9457): decide by `type` and `status`, and find each mistake by its `pointer`. Answers may have more members, and enumerations of answers more values, in later releases.",
    license: { name: "MIT", identifier: "MIT" },
    contact: { name: "The operator of this deployment" },
  },
  servers: [{ url: "/" }],
  tags: [
    { name: "domains", description: "Recipient domains and their settings" },
    { name: "certificates", description: "Certificates that MX hosts present" },
    { name: "trust stores", description: "CAs that may vouch for clients" },
    { name: "status", description: "What is in force, at which edges, and who changed it" },
    { name: "access", description: "Who may use the API: accounts, tokens, principals" },
    { name: "health", description: "For load balancers, without credentials" },
  ],
};

const text = (description: string) => ({ description, schema: { type: "string" } });
const always = <T extends object>(header: T) => ({ ...header, required: true });
const EVERY_ANSWER = {
  "X-Request-Id": always(text("id of this request; the log has it too")),
  "Cache-Control": always(text("`no-store`")),
};
/** Below /v1, and not of what is answered before the routes (BEFORE_ROUTES of route-parts.ts). */
const RATES = {
  "RateLimit-Policy": text(
    "the limits of reads and writes by one caller (draft-ietf-httpapi-ratelimit-headers); absent for callers without a limit",
  ),
  RateLimit: text("how many of these requests are left, and the seconds until all are left again"),
};
const RETRY_AFTER = {
  "Retry-After": always({
    description: "seconds until the request may be sent again",
    schema: { type: "integer", minimum: 1 },
  }),
};
const PRESENT_TAG = { ETag: text("entity tag of the record as it is now; absent where there is none") };
const BEFORE_RATES: ReadonlySet<string> = new Set(["401", "408", "431"]);
/** Problems that are decided before an answer is looked for by its key, or not kept. */
const NEVER_REPLAYED = /^(?:401|403|408|429|431|5..)$/;
/** Headers of an answer by its status, beside those of its route. */
const HEADERS: Readonly<Record<string, object>> = {
  "403": { "WWW-Authenticate": text("the scope that the caller lacks (RFC 6750 section 3.1)") },
  "401": { "WWW-Authenticate": always(text("how to authenticate (RFC 9110 section 11.6.1)")) },
  "412": PRESENT_TAG,
  "409": {
    "Retry-After": {
      description: "of request-in-progress: seconds until the request may be sent again",
      schema: { type: "integer", minimum: 1 },
    },
    Location: text("of answer-not-kept: path of the record that the request made"),
  },
  "415": {
    Accept: text("of other methods than PATCH: the media type of a body"),
    "Accept-Patch": text("of PATCH: the media type of a body (RFC 5789 section 3.1)"),
  },
  "428": PRESENT_TAG,
  "429": RETRY_AFTER,
  "503": RETRY_AFTER,
};

/** Headers of an answer, beside those that its route declares. */
function headersOf({ parameters = [], ...operation }: Operation, status: string): object {
  const isBelowV1 = operation[SCOPE_MEMBER] !== undefined && !BEFORE_RATES.has(status);
  const isKeyed = parameters.some((each) => Reflect.get(each, "name") === IDEMPOTENCY_KEY.toLowerCase());
  return {
    ...EVERY_ANSWER,
    ...(isBelowV1 ? RATES : {}),
    ...HEADERS[status],
    ...(isKeyed && !NEVER_REPLAYED.test(status) ? REPLAYED_HEADER : {}),
  };
}

/** The document of the routes, with what all of them have in common. */
export function openApiDocument(app: OpenAPIHono<ApiEnv>): OpenApiDocument {
  const document = app.getOpenAPI31Document(INFO, { unionPreferredType: "oneOf" });
  const answered = new Set<string>();
  const examples: Partial<Record<ProblemCode, object>> = {};
  for (const operation of operationsOf(document)) {
    showScope(operation);
    for (const [status, answer] of Object.entries(operation.responses ?? {})) {
      answer.headers = { ...headersOf(operation, status), ...answer.headers };
      leaveOtherForms(answer);
      letGrow(answer.content, { document, answered });
      if (status.startsWith("2")) showExamples(operation.operationId, answer.content);
      for (const code of codesOf(answer)) examples[code] = { value: problemExample(code) };
    }
  }
  Reflect.set(document, "components", { ...document.components, examples });
  linkRecords(document);
  nameComponents(document);
  describe(document);
  return document;
}

interface Described {
  description?: string | undefined;
  readonly properties?: Readonly<Record<string, Described>>;
}

/** Adds the texts of schemas and members that have none where they are declared. */
function describe(document: OpenApiDocument): void {
  const schemas = (document.components?.schemas ?? {}) as Readonly<Record<string, Described>>;
  for (const [name, schema] of Object.entries(schemas)) {
    schema.description ??= SCHEMA_TEXTS[name];
    for (const [member, { ...described }] of Object.entries(schema.properties ?? {}))
      Reflect.set(schema.properties ?? {}, member, {
        ...described,
        description: described.description ?? MEMBER_TEXTS[`${name}.${member}`] ?? MEMBER_TEXTS[member],
      });
  }
}

interface Answer {
  headers?: object;
  content?: Record<string, { schema?: object; example?: unknown }>;
}

interface Operation {
  readonly operationId?: string;
  description?: string;
  parameters?: object[];
  readonly [SCOPE_MEMBER]?: Scope | null;
  readonly responses?: Record<string, Answer>;
}

function operationsOf(document: OpenApiDocument): Operation[] {
  const items: object[] = Object.values(document.paths ?? {});
  return items.flatMap((item) => Object.values(item) as Operation[]);
}

const ACCOUNT_PARAMETER = {
  name: ACCOUNT_HEADER,
  in: "header",
  required: false,
  description: "account to act in, for callers with the scope operator; absent = the caller's own",
  schema: { type: "string", pattern: ACCOUNT_NAME.source, maxLength: 40 },
};

/** Of a route below /v1: its scope in words, and the header that all of them take. */
function showScope(operation: Operation): void {
  const scope = operation[SCOPE_MEMBER];
  if (scope === undefined) return;
  const needed = scope === null ? "Any caller may use it." : `Scope: \`${scope}\` (${SCOPES[scope]}).`;
  operation.description = `${operation.description ?? ""} ${needed}`.trim();
  operation.parameters = [...(operation.parameters ?? []), ACCOUNT_PARAMETER];
}

/** Types that are generated for clients would be those of either form: descriptions name the other one. */
function leaveOtherForms({ content = {} }: Answer): void {
  if (!("application/json" in content)) return;
  for (const type of [NDJSON_TYPE, RAW_TYPE]) delete content[type];
}

function showExamples(operationId: string | undefined, content: Answer["content"]): void {
  for (const body of Object.values(content ?? {})) {
    const name = /\/(?<name>\w+)$/u.exec(String(Reflect.get(body.schema ?? {}, "$ref")))?.groups?.["name"];
    body.example = OPERATION_EXAMPLES[operationId ?? ""] ?? ANSWER_EXAMPLES[name ?? ""];
  }
}

/**
 * Answers are checked strictly by our tests, and must not be by clients: a later release may add members
 * (`additionalProperties`). Schemas of requests keep it, since unknown members are refused; no schema is used
 * by both.
 */
function letGrow(
  schema: unknown,
  seen: { readonly document: OpenApiDocument; readonly answered: Set<string> },
): void {
  if (typeof schema !== "object" || schema === null) return;
  // A schema there is what the members of a map are, and stays.
  if ("additionalProperties" in schema && schema.additionalProperties === false)
    delete schema.additionalProperties;
  if ("$ref" in schema && typeof schema.$ref === "string" && !seen.answered.has(schema.$ref)) {
    seen.answered.add(schema.$ref);
    letGrow(seen.document.components?.schemas?.[schema.$ref.split("/").at(-1) ?? ""], seen);
  }
  for (const member of Object.values(schema)) letGrow(member, seen);
}
