/** Route of batches of domain writes. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { applyBatch, BatchItem, BatchResult } from "../../core/management/domain-batch.ts";
import { domainInput } from "../../core/management/domain-schema.ts";
import { domainNameInput } from "../../core/management/input-fields.ts";
import { issuesOf } from "../../core/management/schema-issues.ts";
import { CAPS } from "../../core/limits.ts";
import type { Issue } from "../../core/errors.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";
import type { Actor } from "../../core/actor.ts";
import type { ApiEnv } from "./api-env.ts";
import { type ApiLog, loggedErrors } from "./api-log.ts";
import { entityTag, readCondition, TAGS } from "./conditions.ts";
import type { Loaded } from "./loaded.ts";
import { domainPatch } from "./domains.route.ts";
import { type Problem, problemDocument, problemOf, problemResponse, statusOf } from "./problem.ts";
import {
  answers,
  KEY_PROBLEMS,
  keyHeaders,
  mayBeReplayed,
  needs,
  problems,
  takesJson,
} from "./route-parts.ts";

const KINDS = ["put", "patch", "delete"] as const;
type Kind = (typeof KINDS)[number];

const itemInput = z
  .strictObject({
    name: domainNameInput,
    ifMatch: z
      .string()
      .optional()
      .meta({
        description: "condition, as in the header If-Match",
        pattern: TAGS,
        examples: ['"17"'],
      }),
    ifNoneMatch: z
      .string()
      .optional()
      .meta({
        description: "condition, as in the header If-None-Match",
        pattern: TAGS,
        examples: ["*"],
      }),
    sharedHosts: z.literal("move").optional().meta({
      description:
        "of put and patch: also change the certificate that other domains of the account serve on these MX hosts",
    }),
    put: domainInput.optional(),
    patch: domainPatch.optional(),
    delete: z.literal(true).optional(),
  })
  .superRefine((item, context) => {
    const kinds = KINDS.filter((kind) => item[kind] !== undefined);
    const issue = (path: string[], message: string) =>
      context.addIssue({ code: "custom", path, message, params: { code: "invalid-value" } });
    if (kinds.length !== 1) issue([], "must have exactly one of put, patch and delete");
    if (item.delete !== undefined && item.sharedHosts !== undefined)
      issue(["sharedHosts"], "a deletion changes no certificate of an MX host");
  })
  .meta({
    id: "DomainBatchItemInput",
    description: "one write of a domain: exactly one of `put`, `patch` and `delete`",
    examples: [{ name: "example.org", ifMatch: "*", patch: { tls: { enforcement: "defer" } } }],
  });

/** Items are validated one by one: a mistake in one is not one of the batch. */
const batchInput = z
  .strictObject({
    items: z
      .array(z.unknown().meta({ $ref: "#/components/schemas/DomainBatchItemInput" }))
      .min(1)
      .max(CAPS.batchItems),
  })
  .meta({
    id: "DomainBatchInput",
    description: "writes of domains, applied in order",
    examples: [
      {
        items: [
          { name: "example.org", put: { mxHosts: ["mx1.example.org"] } },
          { name: "example.net", ifMatch: '"17"', patch: { tls: { server: { level: "require" } } } },
          { name: "example.com", ifMatch: "*", delete: true },
        ],
      },
    ],
  });

export const batchResponse = z
  .strictObject({
    results: z
      .array(
        z
          .strictObject({
            name: z.string().nullable().meta({ description: "name of the item; null = it has no valid one" }),
            status: z
              .int()
              .min(200)
              .max(599)
              .meta({ description: "status that a single request would have" }),
            etag: z.string().optional().meta({
              description:
                "entity tag of the domain after this item; of a failed item the present one, where a single request would have it",
            }),
            problem: problemResponse.optional(),
          })
          .meta({ id: "DomainBatchResult" }),
      )
      .readonly()
      .meta({ description: "results, one for each item, in order" }),
  })
  .meta({ id: "DomainBatchResults" });

type ItemResult = z.output<typeof batchResponse>["results"][number];

const batch = takesJson(batchInput);
const batchDomains = createRoute({
  tags: ["domains"],
  ...needs("domains:write"),
  operationId: "batchDomains",
  method: "post",
  path: "/v1/domains:batch",
  summary: "Write up to 100 domains",
  description:
    "Applies the items in order, each by the rules of a single request and on what those before it have left. An item that fails changes nothing of the others: the answer is 200 with a result for each item.",
  middleware: batch.middleware,
  request: { headers: keyHeaders, body: batch.body },
  responses: {
    200: mayBeReplayed(answers(batchResponse, "a result for each item")),
    ...problems("invalid-request", "too-large", "unsupported-media-type", ...KEY_PROBLEMS),
  },
});

export function routeDomainBatch(
  app: OpenAPIHono<ApiEnv>,
  apply: Loaded<(actor: Actor, items: readonly BatchItem[]) => ReturnType<typeof applyBatch>>,
  log: ApiLog,
): void {
  app.openAPIRegistry.register("DomainBatchItemInput", itemInput);
  app.openapi(batchDomains, async (c) => {
    const read = c.req.valid("json").items.map(readItem);
    const valid = read.flatMap((each) => ("item" in each ? [each.item] : []));
    const results = valid.length === 0 ? [] : await (await apply())(c.get("actor"), valid);
    const rest = [...results];
    const requestId = c.get("requestId");
    for (const errors of unexpectedIn(results)) log({ event: "api-error", requestId, errors });
    const answer = read.map((each, index): ItemResult => {
      if ("problem" in each) return failed(each.name, each.problem, requestId);
      const result = rest.shift();
      if (result === undefined) throw new TypeError("a batch has a result for each item");
      if (result.kind !== "failed") return done(each.item.name, result);
      const problem = problemOf(result.error);
      return failed(each.item.name, placed(problem, index, each.item.kind), requestId);
    });
    return c.json({ results: answer }, 200);
  });
}

/** Each error of the server or its store once: what ends a batch is the error of all items that are left. */
function unexpectedIn(results: readonly BatchResult[]): ReturnType<typeof loggedErrors>[] {
  const errors = new Set(results.flatMap((each) => (each.kind === "failed" ? [each.error] : [])));
  return [...errors].filter((error) => statusOf(problemOf(error).code) >= 500).map(loggedErrors);
}

type ReadItem =
  | { readonly item: BatchItem }
  | { readonly name: DomainName | null; readonly problem: Problem };

function readItem(document: unknown, index: number): ReadItem {
  const parsed = itemInput.safeParse(document);
  if (!parsed.success) {
    const issues = issuesOf(parsed.error).map((issue) => ({
      ...issue,
      pointer: `/items/${index}${issue.pointer}`,
    }));
    return {
      name: nameOf(document),
      problem: { code: "invalid-request", detail: "The item is not valid.", issues },
    };
  }
  const { name, ifMatch, ifNoneMatch, put, patch, sharedHosts } = parsed.data;
  try {
    const headers: Readonly<Record<string, string | undefined>> = {
      "If-Match": ifMatch,
      "If-None-Match": ifNoneMatch,
    };
    const condition = readCondition({ header: (header) => headers[header] });
    const options = { condition, moveSharedHosts: sharedHosts === "move" };
    if (put !== undefined) return { item: { kind: "put", name, input: put, ...options } };
    if (patch !== undefined) return { item: { kind: "patch", name, patch, ...options } };
    return { item: { kind: "delete", name, condition } };
  } catch (error) {
    return { name, problem: placed(problemOf(error), index, "put") };
  }
}

function nameOf(document: unknown): DomainName | null {
  const name: unknown =
    typeof document === "object" && document !== null ? Reflect.get(document, "name") : null;
  return typeof name === "string" ? toDomainName(name) : null;
}

const STATUS = { created: 201, updated: 200, unchanged: 200 } as const;

const done = (name: DomainName, result: Exclude<BatchResult, { kind: "failed" }>): ItemResult =>
  result.kind === "deleted"
    ? { name, status: 204 }
    : { name, status: STATUS[result.kind], etag: entityTag(result.revision) };

function failed(name: DomainName | null, problem: Problem, requestId: string): ItemResult {
  const etag = problem.headers?.["ETag"];
  return {
    name,
    status: statusOf(problem.code),
    ...(etag === undefined ? {} : { etag }),
    problem: problemDocument(problem, requestId),
  };
}

/** The problem of a single request, with its pointers into the batch. */
const placed = (problem: Problem, index: number, kind: Kind): Problem => ({
  ...problem,
  issues: (problem.issues ?? []).map((issue) => ({
    code: issue.code,
    message: issue.message,
    pointer: `/items/${index}${placeOf(issue, kind)}`,
  })),
});

function placeOf({ in: part = "body", code, pointer }: Issue, kind: Kind): string {
  if (part === "header") return pointer === "/if-none-match" ? "/ifNoneMatch" : "/ifMatch";
  if (part === "query") return "/sharedHosts";
  if (part === "path" || code === "name-taken") return "/name";
  return `/${kind}${pointer}`;
}
