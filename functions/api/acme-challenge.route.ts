/** Route of http-01 (RFC 8555 section 8.3), which CAs call without credentials. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import * as z from "zod";
import { NotFound } from "../../core/errors.ts";
import { CHALLENGE_TOKEN } from "../../core/management/acme-ca.ts";
import type { IssuanceState } from "../../core/store/issuance-state.ts";
import type { ApiEnv } from "./api-env.ts";
import { CHALLENGE_FOLDER } from "./api-log.ts";

/** Value of `token/<token>`: token and thumbprint of the account's key (RFC 8555 section 8.1). */
const storedChallenge = z.object({ keyAuthorization: z.string() });
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/** Outside the OpenAPI document: no client of the API calls it. */
export function routeAcmeChallenge(app: OpenAPIHono<ApiEnv>, state: Pick<IssuanceState, "get">): void {
  app.get(`${CHALLENGE_FOLDER}:token`, async (c) => {
    const keyAuthorization = await keyAuthorizationOf(state, c.req.param("token"));
    if (keyAuthorization === null) throw new NotFound("no resource at this path");
    c.header("X-Content-Type-Options", "nosniff");
    return c.text(keyAuthorization);
  });
}

/** One read of the store for a token in the right form, and none for another. */
async function keyAuthorizationOf(state: Pick<IssuanceState, "get">, token: string): Promise<string | null> {
  if (!CHALLENGE_TOKEN.test(token)) return null;
  const { data } = storedChallenge.safeParse((await state.get(`token/${token}`))?.value);
  if (data?.keyAuthorization.startsWith(`${token}.`) !== true) return null;
  return THUMBPRINT.test(data.keyAuthorization.slice(token.length + 1)) ? data.keyAuthorization : null;
}
