import { createHash } from "node:crypto";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ApiEnv } from "./api-env.ts";

/**
 * Nothing may be loaded: the page has no script, no image and one style, named by its hash. So it works
 * offline, and no text of a description can become active.
 */
const docsPolicy = (style: string): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

/**
 * What `security` of every route below /v1 stands for: the local token or a JWT, or AWS's Signature Version
 * 4.
 */
const SECURITY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer" },
  // As API Gateway's own export of an API writes it: OpenAPI has no word for SigV4.
  sigv4: {
    type: "apiKey",
    name: "Authorization",
    in: "header",
    "x-amazon-apigateway-authtype": "awsSigv4",
  },
} as const;
export type Credentials = keyof typeof SECURITY_SCHEMES;

/** `/openapi.json` always, `/docs` where the operator reads it on the machine itself. */
export function routeOpenApi(
  app: OpenAPIHono<ApiEnv>,
  { docs, credentials }: { readonly docs: boolean; readonly credentials: Credentials },
): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", SECURITY_SCHEMES[credentials]);
  // Loaded by the first request for it: what it adds to the routes is much text.
  const document = once(async () => {
    const { openApiDocument } = await import("./openapi-document.ts");
    return openApiDocument(app);
  });
  app.get("/openapi.json", async (c) => c.json(await document()));
  if (!docs) return;
  // Loaded here, since the API on AWS has no such page.
  const page = once(async () => {
    const { docsPage, docsStyle } = await import("./docs-page.ts");
    return { html: docsPage(await document()), policy: docsPolicy(docsStyle) };
  });
  app.get("/docs", async (c) => {
    const { html, policy } = await page();
    c.header("Content-Security-Policy", policy);
    c.header("X-Content-Type-Options", "nosniff");
    c.header("Referrer-Policy", "no-referrer");
    return c.html(html);
  });
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
