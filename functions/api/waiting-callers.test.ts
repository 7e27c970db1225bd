import { describe, expect, it } from "vitest";
import type { Caller } from "../../core/access/scope.ts";
import { timestamp } from "../../core/clock.ts";
import { JUDGE_EVERY_MS } from "../../core/management/waiting-room.ts";
import { callerWith, startApi } from "../../test/support/api.ts";
import openApiDocument from "../../openapi.json" with { type: "json" };
import { steppedTime } from "../../test/support/stepped-time.ts";

const DOMAIN = "/v1/domains/example.com";

type Wait = (certificate: string) => string;
/** Each request that may wait, with the scope of its route. */
const WAITS: readonly (readonly [string, Wait])[] = [
  ["changes:read", () => "/v1/changes?after=2&wait=25"],
  ["domains:read", () => `${DOMAIN}/status?waitFor=1&timeout=25`],
  ["certificates:read", (id) => `/v1/certificates/${id}/status?waitFor=1&timeout=25`],
];

/** What may become of a caller, and what its request then receives. */
const LOSSES: readonly (readonly [string, number, Partial<Caller>])[] = [
  ["its scopes", 403, { scopes: new Set() }],
  ["its account", 403, { account: "other" }],
  ["its time", 401, { expiresAt: timestamp(0) }],
];

const SUBJECT: Caller = { ...callerWith({ scopes: ["operator"] }), kind: "jwt", id: "subject" };

async function started(authenticate?: () => Caller) {
  const time = steppedTime();
  const api = await startApi({ wait: time.effects, ...(authenticate === undefined ? {} : { authenticate }) });
  await api.expect(201, "PUT", DOMAIN, { body: {} });
  const made = { source: "self-signed", names: ["mx.example.com"] };
  const { json } = await api.expect(201, "POST", "/v1/certificates", { body: made });
  return { api, time, certificate: String(json.id) };
}

describe.each(WAITS)("a request with %s that waits", (scope, pathOf) => {
  it("is 401 once its token is revoked, within 10 s, and shows nothing of after that", async () => {
    const { api, time, certificate } = await started();
    const body = { label: "short", scopes: [scope] };
    const { json: made } = await api.expect(201, "POST", "/v1/tokens", { body });
    time.onSleep = async (pause) => {
      if (pause === 2)
        await api.expect(204, "DELETE", `/v1/tokens/${made.id}`, { headers: { "If-Match": "*" } });
    };
    const { status, json } = await api.send("GET", pathOf(certificate), { token: made.token });
    expect([status, json.type]).toEqual([401, "urn:postern:problem:unauthenticated"]);
    expect(time.elapsedMs()).toBeLessThanOrEqual(JUDGE_EVERY_MS);
  });

  it("is 401 once its token has run out", async () => {
    const { api, time, certificate } = await started();
    const expiresAt = new Date(api.clock.now() + 60_000).toISOString();
    const body = { label: "short", scopes: [scope], expiresAt };
    const { json: made } = await api.expect(201, "POST", "/v1/tokens", { body });
    time.onSleep = async () => api.advance(60_000);
    await api.expect(401, "GET", pathOf(certificate), { token: made.token });
    expect(time.elapsedMs()).toBeLessThanOrEqual(JUDGE_EVERY_MS);
  });

  it.each(LOSSES)("ends once its caller has lost %s: %i", async (_, status, lost) => {
    let caller = SUBJECT;
    const { api, time, certificate } = await started(() => caller);
    time.onSleep = async () => {
      caller = { ...SUBJECT, ...lost };
    };
    await api.expect(status, "GET", pathOf(certificate));
    expect(time.elapsedMs()).toBeLessThanOrEqual(JUDGE_EVERY_MS);
  });
});

it("does not deliver an entry that was written after the revocation of its token", async () => {
  const { api, time } = await started();
  const body = { label: "short", scopes: ["changes:read"] };
  const { json: made } = await api.expect(201, "POST", "/v1/tokens", { body });
  time.onSleep = async () => {
    await api.expect(204, "DELETE", `/v1/tokens/${made.id}`, { headers: { "If-Match": "*" } });
    await api.expect(201, "PUT", "/v1/domains/secret.example", { body: {} });
  };
  const { text } = await api.expect(401, "GET", "/v1/changes?after=2&wait=25", { token: made.token });
  expect(text).not.toContain("secret.example");
  expect(time.pauses).toHaveLength(1);
});

it("are all the routes that wait", () => {
  const waiting = Object.entries<Record<string, unknown>>(openApiDocument.paths).flatMap(
    ([path, operations]) => (/"name":"wait(?:For)?"/.test(JSON.stringify(operations)) ? path : []),
  );
  const paths = WAITS.map(([, pathOf]) =>
    pathOf("{id}").replace("example.com", "{name}").replace(/\?.*$/, ""),
  );
  expect(waiting.toSorted()).toEqual(paths.toSorted());
});
