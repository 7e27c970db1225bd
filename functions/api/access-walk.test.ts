import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Scope, SCOPE_NAMES } from "../../core/access/scope.ts";
import { createIdSource } from "../../core/name/ids.ts";
import {
  ABSENT,
  damageAndReport,
  makeRecords,
  memoryVault,
  type Records,
  requestOf,
  ROUTE_CALLS,
  shareHost,
  type RouteCall,
} from "../../test/support/access-walk.ts";
import { declaredRoutes } from "../../test/support/api-answer.ts";
import { type ApiUnderTest, callerWith, openApi, TOKEN } from "../../test/support/api.ts";
import { copyOfRows } from "../../test/support/database-rows.ts";
import { seededRandom } from "../../test/support/seeded-random.ts";
import { bearerAuthentication } from "./caller.ts";
import { ACCOUNT_HEADER } from "./route-scopes.ts";

type Answer = Awaited<ReturnType<ApiUnderTest["send"]>>;

const BUT_OPERATOR = SCOPE_NAMES.filter((scope) => scope !== "operator");
const OWN = "acme";
const FOREIGN = "rival";

/** Tokens of the callers: of both accounts with every scope but operator, and of one for each scope. */
const CALLERS = [
  { token: TOKEN, actor: callerWith({ name: "root", scopes: ["operator"] }) },
  ...[OWN, FOREIGN].map((account) => ({ token: `all-of-${account}`, actor: callerWith({ account }) })),
  ...BUT_OPERATOR.map((scope) => ({
    token: `only-${scope.replace(":", "-")}`,
    actor: callerWith({ account: OWN, scopes: [scope] }),
  })),
];
const only = (scope: Scope): string => `only-${scope.replace(":", "-")}`;
const otherThan = (scope: Scope): Scope => (scope === "evaluate" ? "edges:read" : "evaluate");

interface World {
  readonly api: ApiUnderTest;
  readonly own: Records;
  readonly foreign: Records;
  /** Puts everything stored back as it was first made. */
  readonly restore: () => void;
  readonly close: () => Promise<void>;
}

/** Ids of the records of a world: the same in each run. */
const SEED = 20_261_129;

/** The time stands still: a second that ends between two writes shows in the changes of one world alone. */
const CLOCK = { now: () => STARTED_AT };
const STARTED_AT = Date.now();

/** Records of the operator's account, of the caller's, and of another where `foreign` is there. */
async function makeWorld({ withForeign }: { readonly withForeign: boolean }): Promise<World> {
  const objects = new Map<string, Uint8Array>();
  const random = seededRandom(SEED);
  const ids = createIdSource(Date.now, (count) => random.bytes(count));
  const { api, close } = await openApi({ vault: memoryVault(objects), ids, clock: CLOCK }, (_, clock) =>
    bearerAuthentication(CALLERS, clock.now),
  );
  const operators = await makeRecords(api, "default", 1);
  const foreign = withForeign ? await makeRecords(api, FOREIGN, 2) : ABSENT;
  const own = await makeRecords(api, OWN, 3);
  // Another host than the one that answers are searched for: the other account may see what it has named.
  if (withForeign)
    await shareHost(api, { of: FOREIGN, domain: `${FOREIGN}9.example`, host: `mx2.${OWN}.example` });
  await damageAndReport(api, withForeign ? [operators, foreign, own] : [operators, own]);
  const [rows, keys] = [copyOfRows(api.database), [...objects]];
  const restore = (): void => {
    rows();
    objects.clear();
    for (const [name, content] of keys) objects.set(name, content);
  };
  return { api, own, foreign, restore, close };
}

let world: World;
/** The same without the other account. */
let alone: World;

beforeAll(async () => {
  world = await makeWorld({ withForeign: true });
  alone = await makeWorld({ withForeign: false });
});

afterAll(async () => {
  await world.close();
  await alone.close();
});

beforeEach(() => {
  world.restore();
  alone.restore();
});

const callsOf = (route: string): readonly RouteCall[] => ROUTE_CALLS[route]?.slice(1) as RouteCall[];
/** A caller of one scope. No tenant has \`operator\`: its routes answer 403 to each. */
const leastFor = (scope: Scope | null): string =>
  only(scope === null || scope === "operator" ? "evaluate" : scope);
const scopeOf = (route: string): Scope | null => ROUTE_CALLS[route]?.[0] ?? null;
/** Status of the answer, or of the one result of a batch. */
const statusOf = (call: RouteCall, { status, json }: Answer): number =>
  call.isBatch === true && status === 200 ? json.results[0].status : status;
const methodOf = (route: string): string => route.split(" ")[0] ?? "";

async function send(
  { api, own }: World,
  sent: { readonly route: string; readonly call: RouteCall; readonly of: Records; readonly token: string },
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { path, ...options } = requestOf(sent.call, sent.of, own);
  return api.send(methodOf(sent.route), path, {
    ...options,
    token: sent.token,
    headers: { ...options.headers, ...headers },
  });
}

/** Everything that is stored, to see that a refused request has changed nothing. */
const stateOf = ({ api: { database } }: World): string =>
  JSON.stringify([
    database.all("SELECT head FROM deployment"),
    database.all("SELECT kind, id, revision FROM access_record ORDER BY kind, id"),
  ]);

/** The records of an account as they are stored. */
const recordsOf = ({ api: { database } }: World, account: string): string =>
  JSON.stringify(
    ["domain", "certificate", "trust_store", "access_record"].map((table) =>
      database.all(`SELECT id, record FROM ${table} WHERE account = ? ORDER BY id`, account),
    ),
  );

/** An answer without what differs from one world to the next, and without the names of the request itself. */
/** What of records a text can be searched for: a revision is a number like any other. */
const textsOf = (records: Partial<Records>): [string, string][] =>
  Object.entries(records).filter((entry): entry is [string, string] => typeof entry[1] === "string");

function settled({ status, text, headers }: Answer, of: Records, own: Records): string {
  const named = [...textsOf(of), ...textsOf(own).map(([key, value]) => [`own-${key}`, value])];
  const parts = [String(status), headers.get("location"), headers.get("www-authenticate"), text].join("\n");
  return (
    named
      .toSorted(([, a], [, b]) => String(b).length - String(a).length)
      .reduce((shown, [key, value]) => shown.replaceAll(String(value), `<${String(key)}>`), parts)
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<request>")
      .replaceAll(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z/g, "<time>")
      .replaceAll(/postern_tok_[0-9A-Z]{26}_[\w-]{43}/g, "<token>")
      .replaceAll(/\b(?:cert|trust|tok)_[0-9A-Z]{26}\b/g, "<id>")
      .replaceAll(/\b[0-9a-f]{64}\b/g, "<hash>")
      // A TXT value, from a random part of the claim.
      .replaceAll(/\bpostern=[\w-]{22}/g, "<txt>")
      .replaceAll(/sha256\/\/[A-Za-z0-9+/]{43}=/g, "<pin>")
      .replaceAll(/-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----/g, "<pem>")
      // Revisions are of the whole deployment: what others write moves them on.
      .replaceAll(
        /"(?:revision|certificateRevision|appliedRevision|nextCursor)":(?:\d+|"\d+")/g,
        '"revision":0',
      )
      .replaceAll(/"path":"\/revision","value":\d+/g, '"path":"/revision","value":0')
      .replaceAll(/"etag":"\\"\d+\\""/g, '"etag":"0"')
      .replaceAll(/\b(?:revision|at|log-entry|change) \d+/g, "revision 0")
  );
}

/**
 * Expects of an answer to another account none of an account's texts, but those of the request. The account's
 * name is a part of most of them: it counts where it stands alone.
 */
function expectNothingOf({ account, ...records }: Records, answer: Answer, sent: string): void {
  const texts = textsOf(records).map(([, text]) => text);
  const named = texts.filter((mark) => sent.includes(mark));
  const without = (text: string): string => named.reduce((rest, mark) => rest.replaceAll(mark, ""), text);
  const shown = without(`${answer.text}\n${JSON.stringify([...answer.headers])}`);
  const marks = [...texts, account].filter((mark) => !without(sent).includes(mark));
  expect(marks.filter((mark) => shown.includes(mark) && mark !== OWN)).toEqual([]);
}

/** What of other records a request itself names. */
const sentBy = (call: RouteCall, of: Records, own: Records): string => {
  const { path, body } = requestOf(call, of, own);
  return decodeURIComponent(path) + JSON.stringify(body ?? null);
};

const ROUTES = Object.keys(ROUTE_CALLS);

describe("the table of calls", () => {
  it("has every route below /v1: add the calls of a new one to test/support/access-walk.ts", () => {
    const declared = declaredRoutes(world.api.app)
      .map(({ method, path }) => `${method.toUpperCase()} ${path}`)
      .filter((route) => route.includes(" /v1/"));
    expect(ROUTES.toSorted()).toEqual(declared.toSorted());
  });
});

describe.each(ROUTES)("%s", (route) => {
  it("is 401 without credentials and 403 without its scope, which the answer names, and changes nothing", async () => {
    const before = stateOf(world);
    const scope = scopeOf(route);
    for (const call of callsOf(route))
      for (const about of [world.own, world.foreign, ABSENT]) {
        const { path, ...options } = requestOf(call, about, world.own);
        const anonymous = await world.api.send(methodOf(route), path, { ...options, token: null });
        expect(anonymous.status, path).toBe(401);
        expectNothingOf(world.own, anonymous, path);
        for (const other of BUT_OPERATOR.filter((each) => scope !== null && each !== scope)) {
          const refused = await send(world, { route, call, of: about, token: only(other) });
          expect([refused.status, refused.json?.scope], `${path} with ${other}`).toEqual([403, scope]);
          expectNothingOf(world.own, refused, path);
        }
        if (methodOf(route) !== "GET" || scope === null) continue;
        const head = await world.api.send("HEAD", path, { ...options, token: only(otherThan(scope)) });
        expect(head.status, `HEAD ${path}`).toBe(403);
      }
    expect(stateOf(world)).toBe(before);
  });

  it("is 403 for a caller that is no operator and names another account, whether that exists or not", async () => {
    const before = stateOf(world);
    for (const call of callsOf(route))
      for (const named of [FOREIGN, "default", ABSENT.account, "Not a name"]) {
        const request = { route, call, of: world.own, token: `all-of-${OWN}` };
        const answer = await send(world, request, { [ACCOUNT_HEADER]: named });
        expect([answer.status, answer.json?.scope], named).toEqual([403, "operator"]);
        expectNothingOf(world.foreign, answer, named);
      }
    expect(stateOf(world)).toBe(before);
  });

  it("answers about another account's record as about an absent one, and about the caller's as it should", async () => {
    for (const call of callsOf(route)) {
      world.restore();
      const { own, foreign } = world;
      const scope = scopeOf(route);
      const least = leastFor(scope);
      const before = recordsOf(world, FOREIGN);
      for (const token of [least, `all-of-${OWN}`]) {
        world.restore();
        const what = `${call.name ?? route} as ${token}`;
        const about = await send(world, { route, call, of: foreign, token });
        const absent = await send(world, { route, call, of: ABSENT, token });
        expectNothingOf(foreign, about, sentBy(call, foreign, own));
        expectNothingOf(foreign, absent, "");
        if (call.taken === undefined)
          expect(settled(about, foreign, own), what).toBe(settled(absent, ABSENT, own));
        else expect(statusOf(call, about), `${what}: ${about.text}`).toBe(call.taken);
        if (call.absent !== undefined)
          expect(statusOf(call, absent), `${what}: ${absent.text}`).toBe(call.absent);
      }
      expect(recordsOf(world, FOREIGN), `${call.name ?? route} changes records of ${FOREIGN}`).toBe(before);
      const token = `all-of-${FOREIGN}`;
      for (const other of [own, ABSENT, foreign]) {
        const { path, ...options } = requestOf(call, other, foreign);
        const answer = await world.api.send(methodOf(route), path, { ...options, token });
        expectNothingOf(own, answer, sentBy(call, other, foreign));
      }
      const mine = await send(world, { route, call, of: own, token: least });
      expectNothingOf(foreign, mine, "");
      const what = `${call.name ?? route}: ${mine.text}`;
      const { tenantLacks } = call;
      if (tenantLacks === undefined) expect(statusOf(call, mine), what).toBe(call.own);
      else expect([mine.status, mine.json?.scope], what).toEqual([403, tenantLacks]);
    }
  });

  it("shows nothing of another account through an MX host that both name", async () => {
    const { api, own, foreign } = world;
    const sharing = { ...own, domain: `${OWN}9.example`, host: foreign.host };
    for (const call of callsOf(route)) {
      world.restore();
      await shareHost(api, { of: OWN, domain: sharing.domain, host: foreign.host });
      const answer = await send(world, { route, call, of: sharing, token: `all-of-${OWN}` });
      expectNothingOf(foreign, answer, foreign.host);
    }
  });

  it("answers the same, whatever another account has", async () => {
    for (const call of callsOf(route)) {
      const token = `all-of-${OWN}`;
      const absent = await send(world, { route, call, of: ABSENT, token });
      const absentAlone = await send(alone, { route, call, of: ABSENT, token });
      expect(settled(absent, ABSENT, world.own), call.name).toBe(settled(absentAlone, ABSENT, alone.own));
      const own = await send(world, { route, call, of: world.own, token });
      const ownAlone = await send(alone, { route, call, of: alone.own, token });
      expect(settled(own, world.own, world.own), call.name).toBe(settled(ownAlone, alone.own, alone.own));
    }
  });

  it("works for an operator in the account that it names, and shows nothing of others there", async () => {
    for (const call of callsOf(route)) {
      world.restore();
      const headers = { [ACCOUNT_HEADER]: OWN };
      const answer = await send(world, { route, call, of: world.own, token: TOKEN }, headers);
      expect(statusOf(call, answer), `${call.name ?? route}: ${answer.text}`).toBe(call.own);
      // An operator sees every account.
      if (!route.endsWith(" /v1/accounts")) expectNothingOf(world.foreign, answer, "");
      expect(world.api.events.at(-1)).toMatchObject({ event: "api-request", account: OWN, actor: "root" });
    }
  });
});
