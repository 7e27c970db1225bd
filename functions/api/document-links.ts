/**
 * Links of the OpenAPI document: from the answer that makes or reads a record to the operations on it.
 * Readers of the document find them there, and tools that try sequences of requests follow them.
 */

import type { OpenApiDocument } from "./document-components.ts";

interface Operation {
  readonly operationId?: string;
  readonly parameters?: readonly object[];
  readonly responses?: Readonly<Record<string, { links?: Record<string, object> }>>;
}
type Item = Readonly<Record<string, Operation>>;

/** `/v1/domains/{name}` and the name of its parameter; no path below it. */
const RECORD = /^(?<collection>.*)\/\{(?<parameter>\w+)\}$/u;

/** Adds the links in place. */
export function linkRecords(document: OpenApiDocument): void {
  const paths = (document.paths ?? {}) as Readonly<Record<string, Item>>;
  for (const [path, item] of Object.entries(paths)) {
    const { collection, parameter } = RECORD.exec(path)?.groups ?? {};
    if (collection === undefined || parameter === undefined) continue;
    const targets = operationsAt(paths, path);
    const made = paths[collection]?.["post"]?.responses?.["201"];
    if (made !== undefined) made.links = linksTo(targets, `path.${parameter}`, "$response.body#/id");
    for (const status of ["200", "201"]) {
      const put = item["put"]?.responses?.[status];
      const name = `$request.path.${parameter}`;
      if (put !== undefined) put.links = linksTo(targets, `path.${parameter}`, name);
    }
  }
}

/** Operations on the record itself and on what is below it. */
const operationsAt = (paths: Readonly<Record<string, Item>>, record: string): Operation[] =>
  Object.entries(paths)
    .filter(([path]) => path === record || path.startsWith(`${record}/`))
    .flatMap(([, item]) => Object.values(item));

/** The record is known by `value`, and its revision by the ETag of the answer. */
function linksTo(targets: readonly Operation[], parameter: string, value: string): Record<string, object> {
  const links = targets.flatMap(({ operationId = "", parameters = [], responses = {} }) => {
    const isWrite =
      parameters.some((each) => Reflect.get(each, "name") === "if-match") && !("304" in responses);
    const condition = isWrite ? { "header.if-match": "$response.header.ETag" } : {};
    const link = { operationId, parameters: { [parameter]: value, ...condition } };
    return [[operationId, link] as const];
  });
  return Object.fromEntries(links);
}
