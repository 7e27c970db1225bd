import { afterAll, beforeAll, expect, it } from "vitest";
import { type Caller, SCOPE_NAMES, type Scope } from "../../core/access/scope.ts";
import {
  makeRecords,
  memoryVault,
  type Records,
  requestOf,
  ROUTE_CALLS,
  type RouteCall,
} from "../../test/support/access-walk.ts";
import { type ApiUnderTest, callerWith, openApi } from "../../test/support/api.ts";
import { copyOfRows } from "../../test/support/database-rows.ts";
import { declaredRoutes } from "./declared-routes.ts";

const OWN = "acme";
const OPERATOR: readonly Scope[] = ["operator"];
const BUT_OPERATOR = SCOPE_NAMES.filter((scope) => scope !== "operator");

let caller: Caller = callerWith({ scopes: OPERATOR });
let api: ApiUnderTest;
let own: Records;
let restore: () => void;
let close: () => Promise<void>;

/** One caller, whose scopes differ from request to request: as the JWTs of a subject do. */
const withScopes = (scopes: readonly Scope[]): void => {
  caller = { ...callerWith({ account: OWN, scopes }), kind: "jwt", id: "subject" };
};

beforeAll(async () => {
  const objects = new Map<string, Uint8Array>();
  ({ api, close } = await openApi({ vault: memoryVault(objects), authenticate: () => caller }));
  own = await makeRecords(api, OWN, 1);
  const [rows, keys] = [copyOfRows(api.database), [...objects]];
  restore = () => {
    rows();
    objects.clear();
    for (const [name, content] of keys) objects.set(name, content);
  };
});

afterAll(() => close());

const KEYED = { "idempotency-key": "8e03978e-40d5-43e8-bc93-6894a57f9324" };

interface Sent {
  readonly route: string;
  readonly call: RouteCall;
}

async function send({ call }: Sent, scopes: readonly Scope[], headers: Record<string, string>) {
  withScopes(scopes);
  const { path, ...options } = requestOf(call, own, own);
  const answer = await api.send("POST", path, { ...options, headers: { ...options.headers, ...headers } });
  return {
    status: answer.status,
    missing: answer.status === 403 ? (answer.json.scope as Scope) : null,
    isReplayed: answer.headers.get("idempotency-replayed") === "true",
  };
}

/** Every call of a route whose answer is kept. */
function keyedCalls(): Sent[] {
  const keyed = [...declaredRoutes(api.app)].flatMap(([route, { keepsAnswer }]) =>
    keepsAnswer ? route : [],
  );
  const rows = Object.entries(ROUTE_CALLS).filter(([route]) =>
    keyed.includes(route.replaceAll(/\{(\w+)\}/g, ":$1")),
  );
  expect(rows).toHaveLength(keyed.length);
  return rows.flatMap(([route, [, ...calls]]) => calls.map((call) => ({ route, call })));
}

const without = (scopes: readonly Scope[], lost: Scope): readonly Scope[] =>
  scopes === OPERATOR ? BUT_OPERATOR : scopes.filter((each) => each !== lost);

/** The scopes without which the request is 403, and its kept answer with it: of a caller that may make it. */
async function missingOf(sent: Sent, scopes: readonly Scope[]): Promise<readonly Scope[]> {
  restore();
  const isAllowed = (await send(sent, scopes, {})).missing === null;
  const found: Scope[] = [];
  for (const lost of isAllowed ? scopes : []) {
    const what = `${sent.route} ${sent.call.name ?? ""} without ${lost}`;
    restore();
    expect(await send(sent, scopes, KEYED), what).toMatchObject({ missing: null, isReplayed: false });
    const again = await send(sent, without(scopes, lost), KEYED);
    expect((await send(sent, scopes, KEYED)).isReplayed, what).toBe(true);
    restore();
    const { missing } = await send(sent, without(scopes, lost), {});
    expect(again, what).toMatchObject({ missing, isReplayed: missing === null });
    if (missing !== null) found.push(missing);
  }
  return found;
}

it("gives a kept answer again to a caller that may make the request, and to no other", async () => {
  const needed = new Map<string, Set<Scope>>();
  for (const sent of keyedCalls())
    for (const scopes of [OPERATOR, BUT_OPERATOR])
      for (const missing of await missingOf(sent, scopes))
        needed.set(sent.route, (needed.get(sent.route) ?? new Set()).add(missing));
  const second = [...needed].filter(([, scopes]) => scopes.size > 1);
  expect(Object.fromEntries(second.map(([route, scopes]) => [route, [...scopes].toSorted()]))).toEqual({
    "POST /v1/changes/{revision}/revert": ["changes:read", "domains:write"],
    "POST /v1/tokens": ["evaluate", "tokens:write"],
  });
});

it("carries a request out that was 403, once the caller has the scope", async () => {
  const refused = new Set<string>();
  for (const sent of keyedCalls()) {
    const [scope] = ROUTE_CALLS[sent.route] ?? [null];
    restore();
    const first = await send(sent, scope === null ? [] : [scope], KEYED);
    if (first.missing === null) continue;
    refused.add(sent.route);
    expect(await send(sent, OPERATOR, KEYED)).toMatchObject({ missing: null, isReplayed: false });
  }
  expect([...refused].toSorted()).toEqual(["POST /v1/changes/{revision}/revert", "POST /v1/tokens"]);
});

it("gives a token for another account again to an operator alone", async () => {
  const body = { account: "default", label: "made", scopes: ["domains:read"] };
  const make = async (scopes: readonly Scope[]) => {
    withScopes(scopes);
    return api.send("POST", "/v1/tokens", { body, headers: KEYED });
  };
  restore();
  const refused = await make(BUT_OPERATOR);
  expect([refused.status, refused.json.scope]).toEqual([403, "operator"]);
  const made = await make(OPERATOR);
  expect([made.status, made.json.account]).toEqual([201, "default"]);
  const again = await make(BUT_OPERATOR);
  expect([again.status, again.json.scope, again.json.token]).toEqual([403, "operator", undefined]);
  expect((await make(OPERATOR)).json).toEqual(made.json);
});
