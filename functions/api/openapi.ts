import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ApiEnv } from "./api-env.ts";
import { loadedOnce } from "./loaded.ts";

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

/** A file that a page for people is made of. */
export interface PageFile {
  readonly headers: Readonly<Record<string, string>>;
  readonly read: () => Promise<Uint8Array<ArrayBuffer>>;
}

/** `/openapi.json`, and a page that shows it, where the operator reads it on the machine itself. */
export function routeOpenApi(
  app: OpenAPIHono<ApiEnv>,
  {
    docs,
    credentials,
  }: { readonly docs: Readonly<Record<string, PageFile>>; readonly credentials: Credentials },
): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", SECURITY_SCHEMES[credentials]);
  // Loaded by the first request for it: what it adds to the routes is much text.
  const document = loadedOnce(async () => {
    const { openApiDocument } = await import("./openapi-document.ts");
    return openApiDocument(app);
  });
  app.get("/openapi.json", async (c) => c.json(await document()));
  for (const [path, { headers, read }] of Object.entries(docs))
    app.get(path, async (c) => c.body(await read(), 200, headers));
}
