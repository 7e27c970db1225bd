import type { OpenAPIHono } from "@hono/zod-openapi";

export type OpenApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

type Operation = NonNullable<NonNullable<OpenApiDocument["paths"]>[string]["get"]>;

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

/** The OpenAPI document as a page to read: HTML without scripts, everything in it escaped. */
export function docsPage(document: OpenApiDocument): string {
  const { title, description = "" } = document.info;
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ path, method, operation }];
    }),
  );
  const tags = [...new Set(operations.map(({ operation }) => operation.tags?.[0] ?? "other"))];
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => (operation.tags?.[0] ?? "other") === tag);
    const parts = own.map((each) => operationPart({ ...each, shared: document.components?.responses ?? {} }));
    return `<h2 id="${slug(tag)}">${escape(tag)}</h2>\n${parts.join("\n")}`;
  });
  const schemas = Object.entries(document.components?.schemas ?? {}).map(
    ([name, schema]) =>
      `<details id="schema-${slug(name)}"><summary>${escape(name)}</summary>${code(schema)}</details>`,
  );
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(title)} API</title>
<style>${docsStyle}</style></head>
<body>
<h1>${escape(title)} API</h1>
<p>${escape(description)}</p>
<p>The same as <a href="/openapi.json">OpenAPI 3.1</a>. Requests below /v1 need <code>Authorization: Bearer</code> and the token.</p>
<nav>${tags.map((tag) => `<a href="#${slug(tag)}">${escape(tag)}</a>`).join(" ")} <a href="#schemas">schemas</a></nav>
${sections.join("\n")}
<h2 id="schemas">schemas</h2>
${schemas.join("\n")}
</body>
</html>
`;
}

function operationPart({
  path,
  method,
  operation,
  shared,
}: {
  path: string;
  method: string;
  operation: Operation;
  /** Answers that several operations refer to. */
  shared: object;
}): string {
  const parameters = (operation.parameters ?? []).flatMap((parameter) =>
    "name" in parameter
      ? `<tr><td><code>${escape(parameter.name)}</code></td><td>${escape(parameter.in)}${
          parameter.required === true ? ", required" : ""
        }</td><td>${escape(parameter.description ?? "")}</td><td>${code(parameter.schema ?? {})}</td></tr>`
      : [],
  );
  const body = operation.requestBody;
  const content = body !== undefined && "content" in body ? Object.entries(body.content) : [];
  const bodies = content.map(
    ([type, { schema }]) => `<p>Body: <code>${escape(type)}</code></p>${code(schema ?? {})}`,
  );
  const responses = Object.entries(operation.responses ?? {}).map(([status, answer]) => {
    const response: unknown = Reflect.get(shared, textOf(answer, "$ref").split("/").at(-1) ?? "") ?? answer;
    return `<tr><td>${escape(status)}</td><td>${escape(textOf(response, "description"))}</td><td>${links(response)}</td></tr>`;
  });
  return `<details><summary><b class="${method}">${method.toUpperCase()}</b> <code>${escape(path)}</code> ${escape(operation.summary ?? "")}</summary>
${parameters.length === 0 ? "" : `<table>${parameters.join("")}</table>`}${bodies.join("")}
<table>${responses.join("")}</table></details>`;
}

/** Links to the schemas that a part of the document refers to. */
function links(part: unknown): string {
  const names = [...JSON.stringify(part).matchAll(/"#\/components\/schemas\/([A-Za-z0-9]+)"/g)].map(
    ([, name]) => name,
  );
  return [...new Set(names)]
    .map((name = "") => `<a href="#schema-${slug(name)}">${escape(name)}</a>`)
    .join(" ");
}

function textOf(value: unknown, key: string): string {
  const text: unknown = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  return typeof text === "string" ? text : "";
}

const code = (value: unknown): string =>
  `<pre>${escape(JSON.stringify(value, null, 2))}</pre>${links(value)}`;

const slug = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escape = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? character);

export const docsStyle = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2430; background: #fff }
nav a { margin-right: 1rem }
details { border: 1px solid #d5dae3; border-radius: 4px; margin: .4rem 0; padding: .3rem .7rem }
summary { cursor: pointer }
b { display: inline-block; min-width: 4.5rem }
.get { color: #1b6e3c } .put, .patch { color: #8a5a00 } .post { color: #1c4f9c } .delete { color: #a3241c }
pre { font-size: 12.5px; overflow-x: auto; background: #f5f7fa; padding: .5rem; margin: .3rem 0 }
table { border-collapse: collapse } td { vertical-align: top; padding: .2rem .8rem .2rem 0 }
@media (prefers-color-scheme: dark) { body { color: #e3e7ee; background: #14181f } pre { background: #1f2530 } a { color: #8ab4f8 } details { border-color: #38404d } }
`;
