import type * as z from "zod";
import { describe, expect, it } from "vitest";
import { evaluationInput } from "../../core/evaluation/evaluation-input.ts";
import { accountDocument, principalDocument, tokenInput } from "../../core/management/access-input.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { trustStoreInput } from "../../core/management/certificate-input.ts";

// Read as JSON, as a client does.
type Json = ReturnType<typeof JSON.parse>;

const readDocument = async ({ app }: ApiUnderTest): Promise<Json> =>
  (await app.request("/openapi.json")).json();

/** What differs from one run to the next, by its form. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z/g, "a time"],
  [/\bpostern_tok_[0-9A-Z]{26}_[A-Za-z0-9_-]{43}/g, "a token"],
  [/\b(cert|trust|edge|tok)_[0-9A-Z]{26}\b/g, "$1 id"],
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "a request id"],
  [/\b[0-9a-f]{64}\b/g, "a fingerprint"],
  [/sha256\/\/[A-Za-z0-9+/]{43}=/g, "a pin"],
  [/-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n/g, "a certificate"],
  [/-----BEGIN CERTIFICATE REQUEST-----\n[^-]+-----END CERTIFICATE REQUEST-----\n/g, "a signing request"],
];
const CALLERS: ReadonlySet<string> = new Set(["updatedBy", "actor", "createdBy"]);

const settled = (body: Json): Json =>
  JSON.parse(JSON.stringify(body), (key, value: unknown) => {
    // Revisions of records of access are random.
    if (key === "revision" && Number(value) > 1_000) return "a revision";
    if (typeof value !== "string") return value;
    return CALLERS.has(key)
      ? "a caller"
      : VARYING.reduce((text, [form, name]) => text.replaceAll(form, name), value);
  });

/**
 * The answers that the examples show, by operationId: one domain with a certificate, a trust store, an edge.
 */
async function answersOf(api: ApiUnderTest): Promise<ReadonlyMap<string, Json>> {
  const answers = new Map<string, Json>();
  const ask = async (operationId: string, path: string): Promise<void> => {
    const { json, text } = await api.expect(200, "GET", path);
    answers.set(operationId, json ?? text);
  };
  const { json: certificate } = await api.expect(201, "POST", "/v1/certificates", {
    body: { source: "self-signed", names: ["mx1.example.org"], label: "mx1" },
  });
  const trustStore: Json = Object.values(trustStoreInput.meta()?.examples ?? [])[0];
  const { json: stored } = await api.expect(201, "POST", "/v1/trust-stores", { body: trustStore });
  const domain = "/v1/domains/example.org";
  await api.expect(201, "PUT", domain, {
    body: {
      mxHosts: ["mx1.example.org"],
      tls: { server: { level: "require", certificateId: certificate.id } },
    },
  });
  await api.edgeReports.report({
    id: api.ids.edge(),
    release: "0.1.0",
    listeners: [{ name: "mx", address: "192.0.2.1", port: 25, domain: null, proxyProtocol: false }],
    revision: 3,
    certificates: [],
    certificateProblems: [],
    unreadable: [],
    stale: false,
    chainVerifier: true,
    omitted: 0,
  });
  await ask("getDomain", domain);
  await ask("getDomainTls", `${domain}/tls`);
  await ask("getDomainStatus", `${domain}/status`);
  await ask("getCertificateStatus", `/v1/certificates/${certificate.id}/status`);
  await ask("listDomains", "/v1/domains");
  await ask("getCertificate", `/v1/certificates/${certificate.id}`);
  await ask("getCertificateChain", `/v1/certificates/${certificate.id}/chain.pem`);
  await ask("listCertificates", "/v1/certificates");
  await ask("getTrustStore", `/v1/trust-stores/${stored.id}`);
  await ask("listTrustStores", "/v1/trust-stores");
  await ask("listEdges", "/v1/edges");
  await ask("listChanges", "/v1/changes?resource=domain/example.org");
  await ask("getLiveness", "/health/live");
  await ask("getReadiness", "/health/ready");
  const session: Json = Object.values(evaluationInput.meta()?.examples ?? [])[0];
  answers.set("evaluate", (await api.expect(200, "POST", "/v1/evaluate", { body: session })).json);
  for (const [operationId, json] of await accessAnswers(api)) answers.set(operationId, json);
  answers.set(
    "putCertificateMaterial",
    await uploadWithMore(api, `/v1/certificates/${certificate.id}/material`),
  );
  const { json: request } = await api.expect(201, "POST", "/v1/certificates", {
    body: { source: "request", names: ["mx1.example.org"] },
  });
  await ask("getCertificateRequests", `/v1/certificates/${request.id}/csr.pem`);
  await ask("listCertificateVersions", `/v1/certificates/${certificate.id}/versions`);
  const items = [
    { name: "example.net", put: { mxHosts: ["mx1.example.net"] } },
    { name: "example.org", put: {} },
  ];
  answers.set("batchDomains", (await api.expect(200, "POST", "/v1/domains:batch", { body: { items } })).json);
  answers.set("revertChange", (await api.expect(200, "POST", "/v1/changes/6/revert")).json);
  return answers;
}

/** The answers about a token, an account and a principal. */
async function accessAnswers(api: ApiUnderTest): Promise<readonly (readonly [string, Json])[]> {
  const example = (schema: z.ZodType): Json => Object.values(schema.meta()?.examples ?? [])[0];
  const { token } = (await api.expect(201, "POST", "/v1/tokens", { body: example(tokenInput) })).json;
  const account = (await api.expect(201, "PUT", "/v1/accounts/acme", { body: example(accountDocument) }))
    .json;
  const arn = encodeURIComponent("arn:aws:iam::123456789012:role/deploy");
  const body = example(principalDocument);
  const principal = (await api.expect(201, "PUT", `/v1/principals/${arn}`, { body })).json;
  const read = async (path: string, options = {}): Promise<Json> =>
    (await api.expect(200, "GET", path, options)).json;
  const caller = await read("/v1/whoami", { token });
  const tokens = await read("/v1/tokens");
  const accounts = await read("/v1/accounts");
  return [
    ["createToken", { ...tokens.items[0], token, lastUsedAt: null }],
    ["getToken", tokens.items[0]],
    ["listTokens", tokens],
    ["getCaller", caller],
    ["getAccount", account],
    ["listAccounts", { ...accounts, items: [account] }],
    ["getPrincipal", principal],
    ["listPrincipals", await read("/v1/principals")],
  ];
}

/** A certificate for the example's host, and another that its chain does not need. */
async function uploadWithMore(api: ApiUnderTest, path: string): Promise<Json> {
  const issuer = makeCa({ name: "Issuing CA", parent: makeCa() });
  const server = issueServer({ names: ["mx1.example.org"], ca: issuer });
  const certificatePem = server.bundlePem + makeCa({ name: "Old intermediate" }).certificatePem;
  const body = { certificatePem, privateKeyPem: server.privateKeyPem };
  return (await api.expect(200, "PUT", path, { body, headers: { "if-match": "*" } })).json;
}

describe("the examples of answers", () => {
  it("are there for every body: add one to answer-examples.ts, by the id of its schema", async () => {
    const document = await readDocument(await startApi());
    const without = operationsOf(document).flatMap(({ operationId, responses }) =>
      Object.entries<Json>(responses)
        .filter(([status, { content }]) => status.startsWith("2") && content !== undefined)
        .filter(([, { content }]) =>
          Object.values<Json>(content).some(({ example }) => example === undefined),
        )
        .map(([status]) => `${operationId} ${status}`),
    );
    expect(without).toEqual([]);
  });

  it("are what the product answers, apart from ids, times, fingerprints and names of callers", async () => {
    const api = await startApi();
    const document = await readDocument(api);
    const answers = await answersOf(api);
    for (const { operationId, responses } of operationsOf(document).filter((each) =>
      answers.has(each.operationId),
    )) {
      const [{ example }] = Object.values<Json>((responses["200"] ?? responses["201"]).content);
      expect(settled(example), `${operationId}: write what is answered into answer-examples.ts`).toEqual(
        settled(answers.get(operationId)),
      );
    }
    const compared = new Set(
      operationsOf(document)
        .filter((each) => answers.has(each.operationId))
        .map(shownBy),
    );
    expect(
      operationsOf(document)
        .map(shownBy)
        .filter((shown) => shown !== null && !compared.has(shown)),
    ).toEqual([]);
  });
});

const operationsOf = (document: Json): Json[] =>
  Object.values<object>(document.paths).flatMap((item) => Object.values<Json>(item));

/** The example of an operation, as text; null = its answer has no body. */
function shownBy({ responses }: Json): string | null {
  const body = Object.values<Json>((responses["200"] ?? responses["201"])?.content ?? {})[0];
  return body === undefined ? null : JSON.stringify(body.example);
}
