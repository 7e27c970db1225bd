import { describe, expect, it } from "vitest";
import { StorageFull, Unavailable } from "../../core/errors.ts";
import {
  type ApiUnderTest,
  callerWith,
  inOtherAccount,
  OTHER_TOKEN,
  startApi,
} from "../../test/support/api.ts";
import type { ProblemCode } from "./problem.ts";
import { problemExample } from "./problem-examples.ts";

const DOMAIN = "/v1/domains/example.org";
const BATCH = "/v1/domains:batch";
const ANY = { "If-Match": "*" };

type Answer = Awaited<ReturnType<ApiUnderTest["send"]>>;

/** The id of a certificate for mx1.example.org. */
async function certificate(api: ApiUnderTest, token?: string): Promise<string> {
  const body = { source: "self-signed", names: ["mx1.example.org"] };
  return (await api.expect(201, "POST", "/v1/certificates", { body, ...(token && { token }) })).json.id;
}

const served = (certificateId: string | null, mxHosts: readonly string[] = ["mx1.example.org"]) => ({
  body: { mxHosts, tls: { server: { level: "require", certificateId } } },
});

/** What leads to each problem, in one API. */
const PROVOKED: Partial<Record<ProblemCode, (api: ApiUnderTest) => Promise<Answer>>> = {
  "invalid-request": (api) => api.send("PUT", DOMAIN, { body: { tls: { server: { level: "required" } } } }),
  unauthenticated: (api) => api.send("GET", DOMAIN, { token: null }),
  "not-found": (api) => api.send("GET", DOMAIN),
  "method-not-allowed": (api) => api.send("POST", DOMAIN, { body: {} }),
  "unsupported-media-type": (api) =>
    api.send("PUT", DOMAIN, { body: {}, headers: { "Content-Type": "text/plain" } }),
  "too-large": (api) => api.send("PUT", DOMAIN, { body: { acknowledgedWarnings: ["a".repeat(2 ** 20)] } }),
  "stale-revision": async (api) => {
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    return api.send("DELETE", DOMAIN, { headers: { "If-Match": '"17"' } });
  },
  "condition-missing": async (api) => {
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    return api.send("DELETE", DOMAIN);
  },
  "name-taken": async (api) => {
    await api.expect(201, "PUT", DOMAIN, { body: {}, ...(await inOtherAccount(api)) });
    return api.send("PUT", DOMAIN, { body: {} });
  },
  "quota-exceeded": async (api) => {
    const body = { quotas: { domains: 1 } };
    await api.expect(200, "PUT", "/v1/accounts/default", { body, headers: ANY });
    await api.expect(201, "PUT", "/v1/domains/example.net", { body: {} });
    return api.send("PUT", DOMAIN, { body: {} });
  },
  "rule-violation": async (api) => api.send("PUT", DOMAIN, served(await certificate(api), [])),
  "in-use": async (api) => {
    const id = await certificate(api);
    await api.expect(201, "PUT", DOMAIN, served(id));
    return api.send("DELETE", `/v1/certificates/${id}`, { headers: ANY });
  },
  "shared-host": async (api) => {
    await api.expect(201, "PUT", "/v1/domains/example.net", served(await certificate(api)));
    return api.send("PUT", DOMAIN, served(await certificate(api)));
  },
  "host-taken": async (api) => {
    await api.expect(201, "PUT", DOMAIN, served(await certificate(api)));
    const id = await certificate(api, OTHER_TOKEN);
    return api.send("PUT", "/v1/domains/example.net", { ...served(id), token: OTHER_TOKEN });
  },
  "changed-since": async (api) => {
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    await api.expect(200, "PATCH", DOMAIN, { body: { labels: { team: "mail" } }, headers: ANY });
    return api.send("POST", "/v1/changes/1/revert");
  },
  "not-revertible": async (api) => {
    const id = await certificate(api);
    await api.expect(204, "DELETE", `/v1/certificates/${id}`, { headers: ANY });
    return api.send("POST", "/v1/changes/2/revert");
  },
  "idempotency-key-reused": async (api) => {
    const headers = { "Idempotency-Key": "key" };
    await api.expect(200, "POST", BATCH, { headers, body: { items: [{ name: "example.org", put: {} }] } });
    return api.send("POST", BATCH, { headers, body: { items: [{ name: "example.net", put: {} }] } });
  },
  "request-in-progress": async (api) => {
    const request = {
      headers: { "Idempotency-Key": "key" },
      body: { items: [{ name: "example.org", put: {} }] },
    };
    await api.expect(200, "POST", BATCH, request);
    api.database.run("UPDATE kept_answer SET answer = NULL");
    return api.send("POST", BATCH, request);
  },
  "answer-not-kept": async (api) => {
    const request = {
      headers: { "Idempotency-Key": "key" },
      body: { items: [{ name: "example.org", put: {} }] },
    };
    await api.expect(200, "POST", BATCH, request);
    api.database.run("UPDATE kept_answer SET answer = x'02'");
    return api.send("POST", BATCH, request);
  },
  unreadable: async (api) => {
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    api.database.run("UPDATE domain SET record = '{' WHERE id = ?", "example.org");
    return api.send("GET", DOMAIN);
  },
};

/** Failures that no request leads to alone. */
const FAILURES: Partial<Record<ProblemCode, Error>> = {
  internal: new Error("planted"),
  unavailable: new Unavailable("planted"),
  "storage-full": new StorageFull("there is no room on the disk of the settings database"),
};

/** Without what differs from one request to the next: its id, and those of certificates. */
const withoutId = (text: string): unknown => ({
  ...JSON.parse(text.replaceAll(/cert_[0-9A-Z]{26}/g, "<certificate>")),
  requestId: "",
});

const expectExample = (code: ProblemCode, { text }: Answer): void =>
  expect(withoutId(text)).toEqual(withoutId(JSON.stringify(problemExample(code))));

describe("the example of a problem in the OpenAPI document", () => {
  it.each(Object.keys(PROVOKED) as ProblemCode[])("is what the API answers: %s", async (code) => {
    const answer = await PROVOKED[code]?.(await startApi());
    expect(answer).toBeDefined();
    if (answer !== undefined) expectExample(code, answer);
  });

  it.each(Object.entries(FAILURES))("is what the API answers: %s", async (code, failure) => {
    const api = await startApi({
      authenticate: () => {
        throw failure;
      },
    });
    expectExample(code as ProblemCode, await api.send("GET", DOMAIN));
  });

  it("is what the API answers: missing-scope", async () => {
    const api = await startApi({ authenticate: () => callerWith({ scopes: ["domains:read"] }) });
    expectExample("missing-scope", await api.send("PUT", DOMAIN, { body: {} }));
  });
});
