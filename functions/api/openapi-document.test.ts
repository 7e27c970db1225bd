import { describe, expect, it } from "vitest";
import { isScope } from "../../core/access/scope.ts";
import { ISSUE_CODES } from "../../core/issue-code.ts";
import { startApi } from "../../test/support/api.ts";
import { documentedOperations, undocumented } from "../../test/support/api-answer.ts";
import { COMPONENT_NAMES } from "./document-components.ts";
import { MEMBER_TEXTS, SCHEMA_TEXTS } from "./document-texts.ts";
import { problemExample } from "./problem-examples.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";

// Read as JSON, as a generator does.
type Json = ReturnType<typeof JSON.parse>;

const ARN = encodeURIComponent("arn:aws:iam::123456789012:role/deploy");

interface Operation {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Json;
}

async function readDocument(): Promise<{ document: Json; operations: Operation[] }> {
  const { app } = await startApi();
  const document: Json = await (await app.request("/openapi.json")).json();
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item as object).map(([method, operation]) => ({
      what: `${method} ${path}`,
      method,
      path,
      operation,
    })),
  );
  return { document, operations };
}

const bodyOf = (operation: Json): Json =>
  Object.values<Json>(operation.requestBody?.content ?? {})[0]?.schema;
const nameIn = (schema: Json): string => schema.$ref.split("/").at(-1);

function everySchema(value: unknown): Json[] {
  if (typeof value !== "object" || value === null) return [];
  return [value, ...Object.values(value).flatMap(everySchema)];
}

/** A part of the document with the components in place of the references to them. */
function inlined(part: Json, document: Json): Json {
  if (typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) return part.map((each) => inlined(each, document));
  const { $ref, ...own } = part;
  const [kind = "", name = ""] = String($ref ?? "")
    .split("/")
    .slice(2);
  const all = { ...document.components[kind]?.[name], ...own };
  const { oneOf, ...rest } = Object.fromEntries(
    Object.entries(all).map(([key, value]) => [key, inlined(value, document)]),
  );
  // What may be null is one of an object and null.
  return oneOf?.at(1)?.type === "null"
    ? { ...oneOf[0], ...rest, type: [oneOf[0].type, "null"] }
    : { ...rest, ...(oneOf === undefined ? {} : { oneOf }) };
}

/** Names of the schemas that a part of the document refers to, and of those that they refer to. */
function reachedFrom(part: Json, document: Json, reached = new Set<string>()): ReadonlySet<string> {
  for (const { $ref } of everySchema(part)) {
    const name = /^#\/components\/schemas\/(?<name>\w+)$/u.exec(String($ref))?.groups?.["name"];
    if (name === undefined || reached.has(name)) continue;
    reached.add(name);
    reachedFrom(document.components.schemas[name], document, reached);
  }
  return reached;
}

/** Places of object schemas that are not components, so that a generated client has no name for them. */
function inlineObjects(part: Json, place: string): string[] {
  if (typeof part !== "object" || part === null) return [];
  const isComponent = /^\/components\/schemas\/\w+$/u.test(place);
  const isObject = [part.type].flat().includes("object") || typeof part.properties?.type === "object";
  const inner = Object.entries(part).filter(([key]) => !/^(examples?|default|enum|const)$/u.test(key));
  return [
    ...(isObject && !isComponent ? [place] : []),
    ...inner.flatMap(([key, value]) => inlineObjects(value, `${place}/${key}`)),
  ];
}

/** Names of all members, at every depth. */
function membersOf(schema: Json): string[] {
  return Object.entries<Json>(schema.properties ?? {}).flatMap(([name, member]) => [
    name,
    ...membersOf(member).map((inner) => `${name}.${inner}`),
  ]);
}

/** The schema and those of its members; not of the items of lists, which a patch replaces whole. */
function objectsOf(schema: Json): Json[] {
  if (schema.properties === undefined) return [];
  return [schema, ...Object.values<Json>(schema.properties).flatMap(objectsOf)];
}

/** Parts of the document that a reader looks up by a name. */
function describedParts(
  document: Json,
  operations: readonly Operation[],
): { readonly name: string; readonly text: string | undefined }[] {
  const { schemas, headers, responses } = document.components;
  const textsOf = (parts: Json, place: string) =>
    Object.entries<Json>(parts ?? {})
      .filter(([, { $ref, description }]) => $ref === undefined || description !== undefined)
      .map(([name, { description }]) => ({ name: `${place}${name}`, text: description }));
  const answers = [
    ...Object.values<Json>(responses),
    ...operations.flatMap(({ operation }) => Object.values<Json>(operation.responses)),
  ];
  return [
    ...textsOf(schemas, ""),
    ...Object.entries<Json>(schemas).flatMap(([name, { properties = {} }]) =>
      Object.entries<Json>(properties).map(([member, { description }]) => ({
        name: `${name}.${member}`,
        text: description,
      })),
    ),
    ...textsOf(headers, ""),
    ...answers.flatMap((answer) => textsOf(answer.headers, "")),
    ...operations.flatMap(({ what, operation }) =>
      (operation.parameters ?? []).map(({ name, description }: Json) => ({
        name: `${what}.${name}`,
        text: description,
      })),
    ),
  ];
}

describe("the OpenAPI document", () => {
  it("has an id, a summary and a description of every operation, and declared tags", async () => {
    const { document, operations } = await readDocument();
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id) => !/^[a-z][A-Za-z]+$/.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = document.tags.map(({ name }: { name: string }) => name);
    for (const { what, operation } of operations) {
      expect(operation.summary, what).toMatch(/./);
      expect(operation.description, what).toMatch(/./);
      expect(tags, what).toContain(operation.tags[0]);
    }
  });

  it("says the scope of every operation below /v1, in words and for programs", async () => {
    const { operations } = await readDocument();
    const scoped = operations.filter(({ path }) => path.startsWith("/v1"));
    expect(scoped).toHaveLength(operations.length - 2);
    for (const { what, operation } of scoped) {
      const scope = operation["x-scope"];
      expect(scope === null || isScope(scope), what).toBe(true);
      expect(operation.description, what).toContain(
        scope === null ? "Any caller may use it." : `Scope: \`${scope}\``,
      );
    }
  });

  it("has every answer that an operation may give because of its method, body, headers and place", async () => {
    const { operations } = await readDocument();
    const missing = operations.flatMap(({ what, method, path, operation }) => {
      const names: string[] = (operation.parameters ?? []).map(({ name }: Json) => name);
      const takesBody = operation.requestBody !== undefined;
      const reads = method === "get";
      const needed = [
        "400",
        "408",
        "431",
        "500",
        ...(path.startsWith("/v1") ? ["401", "403", "422", "429", "503", "507"] : []),
        // A PUT that creates has 201 in its place.
        ...(path.includes("{") ? [method === "put" && "201" in operation.responses ? "201" : "404"] : []),
        ...(takesBody ? ["413", "415"] : []),
        ...(names.includes("if-match") ? ["412", ...(reads ? ["304"] : [])] : []),
        ...(names.includes("if-match") && !reads && !names.includes("revision") ? ["428"] : []),
        ...(names.includes("idempotency-key") ? ["409"] : []),
      ];
      return needed.filter((status) => !(status in operation.responses)).map((status) => `${what} ${status}`);
    });
    expect(missing).toEqual([]);
  });

  it("describes every parameter, schema, member and header by more than its name", async () => {
    const { document, operations } = await readDocument();
    const described = describedParts(document, operations);
    expect(described.length).toBeGreaterThan(1_000);
    const bad = described.filter(({ name, text = "" }) => {
      const words = (written: string): string =>
        written
          .replaceAll(/[A-Z]/g, " $&")
          .toLowerCase()
          .replaceAll(/[^a-z]+/g, " ")
          .trim();
      // A text such as "null = none" says what is meant by one value, and not what the others are.
      return (
        words(text) === words(name.split(".").at(-1) ?? "") ||
        text.length < 8 ||
        /^(?:null|absent|empty|true|false) =/.test(text)
      );
    });
    expect(bad.map(({ name, text }) => `${name}: ${String(text)}`)).toEqual([]);
  });

  it("uses every text of its tables", async () => {
    const { document } = await readDocument();
    const schemas = Object.entries<Json>(document.components.schemas);
    const used = new Set(
      schemas.flatMap(([name, { description, properties = {} }]) => [
        ...(SCHEMA_TEXTS[name] === description ? [name] : []),
        ...Object.entries<Json>(properties).flatMap(([member, { description: text }]) =>
          [`${name}.${member}`, member].filter((key) => MEMBER_TEXTS[key] === text),
        ),
      ]),
    );
    const rows = [...Object.keys(SCHEMA_TEXTS), ...Object.keys(MEMBER_TEXTS)];
    expect(rows.filter((row) => !used.has(row))).toEqual([]);
  });

  it("has a named schema with a description and an example for every body of a request", async () => {
    const { document, operations } = await readDocument();
    const withBody = operations.filter(({ operation }) => operation.requestBody !== undefined);
    expect(withBody).toHaveLength(16);
    for (const { what, operation } of withBody) {
      const schema = document.components.schemas[nameIn(bodyOf(operation))];
      expect(schema.description, what).toMatch(/./);
      expect(schema.examples, what).toHaveLength(1);
    }
  });

  it("has a name for every object schema, and uses every name that it has one for", async () => {
    const { document } = await readDocument();
    expect(inlineObjects(document, "")).toEqual([]);
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(Object.values(COMPONENT_NAMES)),
    );
  });

  it("has no schema that no operation uses", async () => {
    const { document } = await readDocument();
    const used = reachedFrom({ paths: document.paths, responses: document.components.responses }, document);
    expect(Object.keys(document.components.schemas).filter((name) => !used.has(name))).toEqual([]);
  });

  it.each([
    ["in an answer", "/paths/~1v1~1edges/get/responses/200/content/application~1json/schema"],
    ["as a member", "/components/schemas/Domain/properties/planted"],
    ["as an item", "/components/schemas/EdgeList/properties/items/items"],
    ["as a variant", "/components/schemas/Change/oneOf/0"],
    ["as the value of a map", "/components/schemas/Labels/additionalProperties"],
  ])("would be reported with a schema inline %s", async (_, pointer) => {
    const { document } = await readDocument();
    const steps = pointer
      .split("/")
      .slice(1)
      .map((step) => step.replaceAll("~1", "/"));
    const last = steps.pop() ?? "";
    const holder = steps.reduce((part, step) => part[step], document);
    holder[last] = { type: ["object", "null"], properties: { a: { type: "string" } } };
    expect(inlineObjects(document, "")).toEqual([pointer.replaceAll("~1", "/")]);
  });

  it("has an example of every problem that an operation may answer", async () => {
    const { document, operations } = await readDocument();
    const answered = operations.flatMap(({ what, operation }) =>
      Object.entries<Json>(operation.responses)
        .filter(([status]) => status >= "4")
        .map(([status, answer]) => ({
          what: `${what} ${status}`,
          status,
          answer: inlined(answer, document),
        })),
    );
    expect(answered.length).toBeGreaterThan(operations.length);
    for (const { what, status, answer } of answered) {
      const { examples } = answer.content["application/problem+json"];
      expect(Object.keys(examples).join(", "), what).toBe(answer.description);
      for (const [code, { value }] of Object.entries<Json>(examples)) {
        expect(value, what).toMatchObject({ type: `urn:postern:problem:${code}`, status: Number(status) });
        expect(value, what).toEqual(problemExample(value.type.split(":").at(-1)));
      }
    }
  });

  it("has the members of PUT in PATCH, each optional and nullable", async () => {
    const { document } = await readDocument();
    for (const path of ["/v1/domains/{name}", "/v1/domains/{name}/tls"]) {
      const [put, patch] = ["put", "patch"].map((method) =>
        inlined(bodyOf(document.paths[path][method]), document),
      );
      expect(membersOf(patch), path).toEqual(membersOf(put));
      for (const { required } of objectsOf(patch)) expect(required, path).toBeUndefined();
      const members = objectsOf(patch).flatMap(({ properties }) => Object.values<Json>(properties));
      for (const member of members) expect(member, path).not.toHaveProperty("default");
      for (const member of members.filter(({ readOnly }) => readOnly !== true))
        expect(member.type, path).toContain("null");
    }
  });

  it("has the bounds of texts of POST in PATCH", async () => {
    const { document } = await readDocument();
    const { SelfSignedCertificateInput, CertificatePatch } = document.components.schemas;
    const { maxLength, pattern } = SelfSignedCertificateInput.properties.label;
    expect(maxLength).toBe(200);
    expect(CertificatePatch.properties.label).toMatchObject({ maxLength, pattern });
  });

  it("lets answers grow, and no request", async () => {
    const { document, operations } = await readDocument();
    const bodies = operations.map(({ operation }) => operation.requestBody ?? {});
    const requests = reachedFrom(bodies, document);
    const answers = reachedFrom(
      [operations.map(({ operation }) => operation.responses), document.components.responses],
      document,
    );
    const schemas = Object.entries<Json>(document.components.schemas);
    expect(schemas.filter(([name]) => requests.has(name) && answers.has(name))).toEqual([]);
    // A schema there is what the values of a map are.
    for (const [name, { additionalProperties }] of schemas.filter(([each]) => answers.has(each)))
      expect(additionalProperties, name).not.toBe(false);
    for (const [name, { additionalProperties, properties }] of schemas.filter(([each]) => requests.has(each)))
      expect(properties === undefined || additionalProperties === false, name).toBe(true);
  });

  it("discriminates certificates by source and changes by kind, and lists problem types and codes of mistakes", async () => {
    const { document } = await readDocument();
    const { CertificateInput, Change, Problem } = document.components.schemas;
    expect(CertificateInput.discriminator.propertyName).toBe("source");
    expect(Object.keys(CertificateInput.discriminator.mapping)).toEqual([
      "self-signed",
      "pem",
      "pkcs12",
      "request",
      "acme",
      "acm",
    ]);
    expect(Object.keys(Change.discriminator.mapping)).toEqual(["domain", "certificate", "trust-store"]);
    expect(Problem.properties.type.enum).toContain("urn:postern:problem:stale-revision");
    const { properties } = inlined(Problem.properties.errors.items, document);
    expect(properties.code.enum).toEqual(Object.keys(ISSUE_CODES));
  });

  it("declares the headers of every answer", async () => {
    const { document, operations } = await readDocument();
    const byStatus: Readonly<Record<string, string>> = {
      "201": "Location",
      "304": "ETag",
      "401": "WWW-Authenticate",
      "412": "ETag",
      "428": "ETag",
      "429": "Retry-After",
      "503": "Retry-After",
    };
    for (const { what, operation } of operations)
      for (const [status, answer] of Object.entries<Json>(operation.responses)) {
        const names = Object.keys(inlined(answer, document).headers);
        expect(names, `${what} ${status}`).toContain("X-Request-Id");
        const needed = byStatus[status];
        if (needed !== undefined) expect(names, `${what} ${status}`).toContain(needed);
      }
  });

  it("has patterns of names and conditions that take what the API takes", async () => {
    const { operations } = await readDocument();
    const parameters = operations.flatMap(({ operation }) => operation.parameters ?? []);
    const patterns = (name: string): RegExp[] =>
      parameters
        .filter((parameter: Json) => parameter.name === name)
        .map(({ schema }: Json) => new RegExp(schema.pattern, "u"));
    for (const pattern of patterns("name")) {
      for (const name of ["mx1.example.org", "localhost", "example.5g", "a.1-b", "1.xn--bcher-kva"])
        expect(name).toMatch(pattern);
      for (const name of ["Example.org", "192.0.2.1", "124", "a.5-", "a..b", "a.", "-a.b", ""])
        expect(name).not.toMatch(pattern);
    }
    for (const pattern of [...patterns("if-match"), ...patterns("if-none-match")]) {
      for (const value of ["*", '"17"', 'W/"1", "2"', ', "1",,"2"']) expect(value).toMatch(pattern);
      for (const value of ["17", '"17', '"1" "2"', '*, "1"']) expect(value).not.toMatch(pattern);
    }
    expect(patterns("if-match").length).toBeGreaterThan(10);
  });
});

/** Every answer of every test is compared with the document (test/support/api-answer.ts): this tries that. */
describe("an answer that the document does not have is reported:", () => {
  const problem = (code: string) => ({
    headers: { "Content-Type": "application/problem+json" },
    json: { type: `urn:postern:problem:${code}` },
  });
  it.each([
    ["a status", 418, {}, ["status 418 "]],
    ["a media type", 200, { headers: { "Content-Type": "text/html" } }, ["media type text/html"]],
    ["a header", 200, { headers: { "X-Planted": "1" } }, ["header x-planted"]],
    ["a problem of another operation", 409, problem("shared-host"), ["problem shared-host"]],
    ["a problem without a status here", 410, problem("gone"), ["status 410 gone"]],
    ["nothing of one that it has", 409, problem("unreadable"), []],
  ])("%s", async (_, status, { headers = {}, json = {} }: Json, found) => {
    const { app } = await startApi();
    const response = new Response(null, { status, headers });
    const exchange = { method: "GET", path: "/v1/domains/example.org?a=b", response, json };
    expect(undocumented(documentedOperations(app), exchange)).toEqual(found);
  });

  it("anything but a problem at a path without an operation", async () => {
    const { app } = await startApi();
    const exchange = { method: "GET", path: "/v1/planted", json: {}, response: new Response("") };
    expect(undocumented(documentedOperations(app), exchange)).toEqual(["no operation: "]);
    const { status, problems } = await (await startApi()).send("GET", "/v1/planted");
    expect([status, ...problems]).toEqual([404]);
  });
});

describe("the example of each body", () => {
  it("is taken by the API, with a real certificate and key in their place", async () => {
    const api = await startApi();
    const { document, operations } = await readDocument();
    const ca = makeCa().certificatePem;
    const server = issueServer({ names: ["mx1.example.org"] });
    await api.expect(201, "PUT", "/v1/domains/example.org", { body: {} });
    const certificate = await api.expect(201, "POST", "/v1/certificates", {
      body: { source: "self-signed", names: ["mx1.example.org"] },
    });
    const trustStore = await api.expect(201, "POST", "/v1/trust-stores", { body: { certificatesPem: ca } });
    expect(trustStore.json.revision).toBe(3);
    await api.expect(201, "PUT", "/v1/accounts/acme", { body: {} });
    await api.expect(201, "PUT", `/v1/principals/${ARN}`, { body: { scopes: [] } });
    await api.expect(200, "PUT", `/v1/trust-stores/${trustStore.json.id}`, {
      body: { certificatesPem: makeCa().certificatePem },
      headers: { "If-Match": "*" },
    });
    for (const { what, method, path, operation } of operations.filter((each) => each.operation.requestBody)) {
      const [example] = document.components.schemas[nameIn(bodyOf(operation))].examples;
      const { certificatePem, privateKeyPem } = server;
      const pem = "certificatePem" in example ? { certificatePem, privateKeyPem } : {};
      const here = path
        .replace("{name}", "example.org")
        .replace("{account}", "acme")
        .replace("{arn}", ARN)
        .replace("certificates/{id}", `certificates/${certificate.json.id}`)
        .replace("trust-stores/{id}", `trust-stores/${trustStore.json.id}`);
      const headers = method === "post" && !path.includes("{id}") ? {} : { "If-Match": "*" };
      const { status, text } = await api.send(method.toUpperCase(), here, {
        body: { ...example, ...pem },
        headers,
      });
      expect([200, 201], `${what}: ${text}`).toContain(status);
    }
  });
});
