import { describe, expect, it, onTestFinished } from "vitest";
import { openDatabase } from "../../adapters/local/database.ts";
import { SqliteAccessStore } from "../../adapters/local/sqlite-access-store.ts";
import {
  type AccountRecord,
  ACCOUNTS,
  NO_QUOTAS,
  type PrincipalRecord,
  PRINCIPALS,
  type TokenRecord,
  TOKENS,
} from "../../core/access/access-record.ts";
import { secretHash, tokenText } from "../../core/access/token-text.ts";
import { timestamp } from "../../core/clock.ts";
import { Unavailable } from "../../core/errors.ts";
import type { TokenId } from "../../core/name/ids.ts";
import { jwtCaller, NoAccess, principalCaller, storedTokens } from "./stored-callers.ts";

const NOW = Date.parse("2026-11-29T10:20:30Z");
const AT = timestamp(NOW);
const WRITTEN = { revision: 0, createdAt: AT, createdBy: "test", updatedAt: AT, updatedBy: "test" };
const ROLE = "arn:aws:iam::123456789012:role/deploy";

function openStore() {
  const database = openDatabase(":memory:");
  onTestFinished(() => database.close());
  return { database, store: new SqliteAccessStore(database) };
}

const damage = "UPDATE access_record SET record = '{}'";

describe("the subject of a JWT", () => {
  const account: AccountRecord = { ...WRITTEN, name: "acme", label: null, quotas: NO_QUOTAS };
  const claimsOf = { accountClaim: "team", scopeClaim: "scope" };

  it.each([
    ["a text with blanks", "openid postern:domains:read  postern:evaluate", ["domains:read", "evaluate"]],
    ["API Gateway's text of a list", "[postern:domains:read postern:evaluate]", ["domains:read", "evaluate"]],
    ["a list", ["postern:domains:read", 5, null], ["domains:read"]],
    ["a scope without the prefix", "domains:read operator", []],
    ["a scope that does not exist", "postern:everything postern:toString", []],
    ["another case", "POSTERN:operator postern:Operator", []],
    ["no claim", undefined, []],
    ["an object", { operator: true }, []],
  ])("has the scopes of %s", async (_, scope, scopes) => {
    const { store } = openStore();
    await store.put(ACCOUNTS, account, null);
    const caller = await jwtCaller(store, { sub: "alice", team: "acme", scope, exp: "1800000000" }, claimsOf);
    expect(caller).toEqual({
      account: "acme",
      name: "alice",
      id: "alice",
      kind: "jwt",
      scopes: new Set(scopes),
      expiresAt: timestamp(1_800_000_000_000),
    });
  });

  it.each([undefined, "", "rival", "ACME", ["acme"], "acme ", "../acme", { acme: true }])(
    "has no access where the claim of its account is %j",
    async (team) => {
      const { store } = openStore();
      await store.put(ACCOUNTS, account, null);
      const claims = { sub: "alice", team, scope: "postern:operator" };
      await expect(jwtCaller(store, claims, claimsOf)).rejects.toThrow(NoAccess);
    },
  );

  it("has no access where the record of its account cannot be read", async () => {
    const { store, database } = openStore();
    await store.put(ACCOUNTS, account, null);
    database.run(damage);
    await expect(jwtCaller(store, { sub: "alice", team: "acme" }, claimsOf)).rejects.toThrow(NoAccess);
  });

  it("is of the operator's account where no claim is named, whatever the token has", async () => {
    const claims = { sub: "alice", team: "acme", account: "acme", scope: "" };
    const caller = await jwtCaller(openStore().store, claims, { ...claimsOf, accountClaim: null });
    expect(caller?.account).toBe("default");
  });

  it.each([undefined, "", 5, null])("is no caller with the sub %j", async (sub) => {
    expect(await jwtCaller(openStore().store, { sub }, { ...claimsOf, accountClaim: null })).toBeNull();
  });

  it("tells subjects apart to their last character, and takes none over 255", async () => {
    const of = (sub: string) => jwtCaller(openStore().store, { sub }, { ...claimsOf, accountClaim: null });
    const [one, other] = await Promise.all([of(`${"a".repeat(254)}1`), of(`${"a".repeat(254)}2`)]);
    expect(one?.id).not.toBe(other?.id);
    await expect(of("a".repeat(256))).rejects.toThrow(NoAccess);
  });
});

describe("an IAM principal", () => {
  const principal: PrincipalRecord = {
    ...WRITTEN,
    arn: ROLE,
    account: "acme",
    label: null,
    scopes: ["domains:read", "of-a-later-release"],
  };

  it.each(["operator", "none"] as const)(
    "has what its role's record gives with API_DEFAULT_ACCESS=%s, in each session",
    async (defaultAccess) => {
      const { store } = openStore();
      await store.put(PRINCIPALS, principal, null);
      for (const userArn of [ROLE, "arn:aws:sts::123456789012:assumed-role/deploy/any-session"])
        expect(await principalCaller(store, { userArn, defaultAccess })).toMatchObject({
          account: "acme",
          id: ROLE,
          scopes: new Set(["domains:read"]),
        });
    },
  );

  it("has no access without a record, or is an operator, as API_DEFAULT_ACCESS says", async () => {
    const { store } = openStore();
    await store.put(PRINCIPALS, principal, null);
    for (const userArn of ["arn:aws:iam::210987654321:role/deploy", `${ROLE}2`, "not an ARN"]) {
      await expect(principalCaller(store, { userArn, defaultAccess: "none" })).rejects.toThrow(NoAccess);
      const caller = await principalCaller(store, { userArn, defaultAccess: "operator" });
      expect([caller.account, ...caller.scopes]).toEqual(["default", "operator"]);
    }
  });

  it("has no access where its record cannot be read, though one without a record is an operator", async () => {
    const { store, database } = openStore();
    await store.put(PRINCIPALS, principal, null);
    database.run(damage);
    const asked = { userArn: ROLE, defaultAccess: "operator" } as const;
    await expect(principalCaller(store, asked)).rejects.toThrow(NoAccess);
  });
});

describe("a stored token", () => {
  const id = "tok_01KDW0000000000000000000A1" as TokenId;
  const secret = "s".repeat(43);
  const token: TokenRecord = {
    id,
    account: "acme",
    label: null,
    scopes: ["domains:read"],
    secretSha256: secretHash(secret),
    expiresAt: null,
    creator: { kind: "api-token", id: null },
    revision: 0,
    createdAt: AT,
    createdBy: "test",
  };
  const clock = { now: () => NOW };

  it("lets its request in where its use cannot be noted, and reports that", async () => {
    const { store } = openStore();
    await store.put(TOKENS, token, null);
    const failure = new Unavailable("no answer");
    const reported: unknown[] = [];
    const failing = Object.assign(store, { markUsed: () => Promise.reject(failure) });
    const read = storedTokens(failing, { clock, onUnmarked: (error) => reported.push(error) });
    expect(await read(tokenText(id, secret))).toMatchObject({ account: "acme", id });
    await expect.poll(() => reported).toEqual([failure]);
  });

  it("lets its request in while the note of its use waits", async () => {
    const { store } = openStore();
    await store.put(TOKENS, token, null);
    const waiting = Object.assign(store, { markUsed: () => new Promise(() => undefined) });
    const read = storedTokens(waiting, { clock, onUnmarked: () => undefined });
    expect(await read(tokenText(id, secret))).toMatchObject({ id });
  });

  it("is not let in while the store does not answer, which is no revocation", async () => {
    const away = Object.assign(openStore().store, {
      get: () => Promise.reject(new Unavailable("no answer")),
    });
    const read = storedTokens(away, { clock, onUnmarked: () => undefined });
    await expect(read(tokenText(id, secret))).rejects.toThrow(Unavailable);
  });

  it("is valid until the moment that it expires at", async () => {
    const { store } = openStore();
    await store.put(TOKENS, { ...token, expiresAt: AT }, null);
    const readAt = (now: number) =>
      storedTokens(store, { clock: { now: () => now }, onUnmarked: () => undefined })(tokenText(id, secret));
    expect(await readAt(NOW - 1)).not.toBeNull();
    expect(await readAt(NOW)).toBeNull();
  });

  it("is stored under its own id alone: a copy under another gives nothing", async () => {
    const { store, database } = openStore();
    await store.put(TOKENS, token, null);
    const other = "tok_01KDW0000000000000000000A2" as TokenId;
    database.run("UPDATE access_record SET id = ?", other);
    const read = storedTokens(store, { clock, onUnmarked: () => undefined });
    expect(await read(tokenText(other, secret))).toBeNull();
  });
});
