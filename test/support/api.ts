import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { FileKeyVault } from "../../adapters/local/file-key-vault.ts";
import { type Database, openDatabase } from "../../adapters/local/database.ts";
import { SqliteAccessStore } from "../../adapters/local/sqlite-access-store.ts";
import { SqliteEdgeReports } from "../../adapters/local/sqlite-edge-reports.ts";
import { SqliteIssuanceState } from "../../adapters/local/sqlite-issuance-state.ts";
import { SqliteKeptAnswers } from "../../adapters/local/sqlite-kept-answers.ts";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import type { LoadAtEdge } from "../../core/management/load-at-edge.ts";
import { createIdSource } from "../../core/name/ids.ts";
import { type Caller, SCOPE_NAMES, type Scope } from "../../core/access/scope.ts";
import type { ApiEvent } from "../../functions/api/api-log.ts";
import { type ApiDependencies, createApp } from "../../functions/api/app.ts";
import { storedTokens } from "../../functions/api/stored-callers.ts";
import type { AccessStore } from "../../core/access/access-store.ts";
import type { Clock } from "../../core/clock.ts";
import { type Authenticate, bearerAuthentication } from "../../functions/api/caller.ts";
import { loadAtEdgeWith } from "../../worker/tls/tls-parameters.ts";
import { type CheckedAnswer, checkedAnswer } from "./api-answer.ts";

export const TOKEN = "postern_test-token-of-the-default-account";
/** A caller of another account. */
export const OTHER_TOKEN = "postern_test-token-of-another-account";

export interface RequestOptions {
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly rawBody?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** null = none. */
  readonly token?: string | null;
}

/** An API on a separate embedded store, with the clock of the test. */
export interface ApiUnderTest extends Omit<ApiDependencies, "authenticate" | "log"> {
  readonly app: ReturnType<typeof createApp>;
  readonly events: ApiEvent[];
  /** For what no request can do. */
  readonly database: Database;
  /** Moves the clock of the API and of the edge reports. */
  readonly advance: (ms: number) => void;
  /** Sends a request and checks the answer against what its route declares. */
  readonly send: (method: string, path: string, options?: RequestOptions) => Promise<CheckedAnswer>;
  /** Sends and expects the status. */
  readonly expect: (
    status: number,
    method: string,
    path: string,
    options?: RequestOptions,
  ) => Promise<CheckedAnswer>;
}

/** A caller; of the default account and with every scope but operator by default. */
export const callerWith = (parts: {
  readonly account?: string;
  readonly name?: string;
  readonly scopes?: readonly Scope[];
}): Caller => ({
  account: parts.account ?? "default",
  name: parts.name ?? "caller",
  scopes: new Set(parts.scopes ?? SCOPE_NAMES.filter((scope) => scope !== "operator")),
  kind: "token",
  id: null,
  expiresAt: null,
});

/** What edges at a security level of OpenSSL load; the product's own is 2. */
export const loadAtLevel = (level: number): LoadAtEdge =>
  loadAtEdgeWith(`ECDHE+AESGCM:@SECLEVEL=${String(level)}`);

/** Callers over the stored records, for `authenticate`. */
type AuthenticateWith = (access: AccessStore, clock: Clock) => Authenticate;

/**
 * `overrides` are for tests of failure, `authenticateWith` for other callers over the stored records.
 * Everything ends with the test.
 */
export async function startApi(
  overrides: Partial<ApiDependencies> = {},
  authenticateWith?: AuthenticateWith,
): Promise<ApiUnderTest> {
  const { api, close } = await openApi(overrides, authenticateWith);
  onTestFinished(close);
  return api;
}

/** As startApi, for more than one test: `close` ends it. */
export async function openApi(
  overrides: Partial<ApiDependencies> = {},
  authenticateWith?: AuthenticateWith,
): Promise<{ readonly api: ApiUnderTest; readonly close: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "postern-api-"));
  const database = openDatabase(":memory:");
  const close = async (): Promise<void> => {
    database.close();
    await rm(directory, { recursive: true, force: true });
  };
  let offsetMs = 0;
  const clock = { now: () => Date.now() + offsetMs };
  const events: ApiEvent[] = [];
  const access = new SqliteAccessStore(database);
  const deps: ApiDependencies = {
    store: new SqliteStore(database),
    vault: new FileKeyVault(directory),
    access,
    edgeReports: new SqliteEdgeReports(database, clock),
    issuanceState: new SqliteIssuanceState(database, clock),
    keptAnswers: new SqliteKeptAnswers(database, clock),
    readTxt: async () => [],
    clock,
    ids: createIdSource(clock.now, (count) => randomBytes(count)),
    operatorHosts: new Set(["operator.example", "*.operator.example"]),
    loadAtEdge: loadAtEdgeWith(null),
    authenticate:
      authenticateWith?.(access, clock) ??
      bearerAuthentication(
        [
          { token: TOKEN, actor: callerWith({ name: "tester", scopes: ["operator"] }) },
          { token: OTHER_TOKEN, actor: callerWith({ account: "other", name: "stranger" }) },
        ],
        clock.now,
        [storedTokens(access, { clock, onUnmarked: () => undefined })],
      ),
    log: (event) => events.push(event),
    ...overrides,
  };
  const app = createApp(deps);
  const send = async (method: string, path: string, options: RequestOptions = {}): Promise<CheckedAnswer> => {
    const response = await app.request(path, init(method, options));
    return checkedAnswer(app, { method, path, response });
  };
  const api: ApiUnderTest = {
    ...deps,
    app,
    events,
    database,
    advance: (ms) => {
      offsetMs += ms;
    },
    send,
    expect: async (status, method, path, options) => {
      const answer = await send(method, path, options);
      if (answer.status === status) return answer;
      throw new Error(`${method} ${path}: ${answer.status}, not ${status}: ${answer.text}`);
    },
  };
  return { api, close };
}

/**
 * Options of an operator who acts in the other account: the names that it adds are that account's own.
 */
export async function inOtherAccount(api: Pick<ApiUnderTest, "send">): Promise<RequestOptions> {
  await api.send("PUT", "/v1/accounts/other", { body: {} });
  return { headers: { "Postern-Account": "other" } };
}

function init(method: string, { body, rawBody, headers, token }: RequestOptions): RequestInit {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  return {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token ?? TOKEN}` }),
      ...(body === undefined && rawBody === undefined ? {} : { "content-type": type }),
      ...headers,
    },
    ...(rawBody === undefined ? {} : { body: rawBody }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}
