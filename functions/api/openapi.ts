import { createHash } from "node:crypto";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ApiEnv } from "./api-env.ts";
import { docsPage, docsStyle, type OpenApiDocument } from "./docs-page.ts";

const INFO = {
  openapi: "3.1.0",
  info: {
    title: "Postern",
    version: "1",
    description:
      "TLS and client-certificate settings for each recipient domain. Every change of a record names the revision it was made from (If-Match). Errors are application/problem+json (RFC 9457).",
    license: { name: "MIT", identifier: "MIT" },
  },
  servers: [{ url: "/" }],
};

function openApiDocument(app: OpenAPIHono<ApiEnv>): OpenApiDocument {
  return app.getOpenAPI31Document(INFO, { unionPreferredType: "oneOf" });
}

/**
 * Nothing may be loaded: the page has no script, no image and one style, named by its hash. So it works offline, and
 * nothing that a description says can become active.
 */
const docsPolicy = (style: string): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

/** `/openapi.json` always, `/docs` where the operator reads it on the machine itself. */
export function routeOpenApi(app: OpenAPIHono<ApiEnv>, { docs }: { readonly docs: boolean }): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  const document = once(() => openApiDocument(app));
  app.get("/openapi.json", (c) => c.json(document()));
  if (!docs) return;
  const page = once(() => docsPage(document()));
  app.get("/docs", (c) => {
    c.header("Content-Security-Policy", docsPolicy(docsStyle));
    c.header("X-Content-Type-Options", "nosniff");
    c.header("Referrer-Policy", "no-referrer");
    return c.html(page());
  });
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
