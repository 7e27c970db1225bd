/** The page at /docs: Swagger UI, which shows /openapi.json and sends requests to this API. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { PageFile } from "../functions/api/openapi.ts";

/**
 * Everything is of this API: nothing is loaded from another host, no script stands in the page, and no text
 * of the document can become active. Swagger UI has icons as `data:` and sets styles by scripts, which a
 * policy does not forbid (test/peers/docs-page.test.ts reports what a browser refuses).
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Postern API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<script src="/docs/swagger-ui-bundle.js" defer></script>
<script src="/docs/start.js" defer></script>
</head>
<body><div id="docs"></div></body>
</html>
`;

/** `validatorUrl`: by default Swagger UI sends the document's address to a service on the internet. */
const START = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  validatorUrl: null,
  persistAuthorization: false,
  defaultModelsExpandDepth: 0,
});
`;

const require = createRequire(import.meta.url);

const file = (type: string, read: PageFile["read"]): PageFile => ({
  headers: { ...HEADERS, "Content-Type": `${type}; charset=utf-8` },
  read,
});
const text = (type: string, content: string): PageFile =>
  file(type, async () => new TextEncoder().encode(content));
const packaged = (type: string, pathOf: () => string): PageFile => file(type, () => readFile(pathOf()));

export const DOCS_PAGE: Readonly<Record<string, PageFile>> = {
  "/docs": text("text/html", PAGE),
  "/docs/start.js": text("text/javascript", START),
  "/docs/swagger-ui.css": packaged("text/css", () => require.resolve("swagger-ui-dist/swagger-ui.css")),
  "/docs/swagger-ui-bundle.js": packaged("text/javascript", () =>
    require.resolve("swagger-ui-dist/swagger-ui-bundle.js"),
  ),
};
