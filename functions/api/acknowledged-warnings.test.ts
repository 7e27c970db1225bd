import { describe, expect, it } from "vitest";
import { startApi } from "../../test/support/api.ts";
import { ACKNOWLEDGEABLE_CODES, WARNING_CODES } from "../../core/record/warning-code.ts";

const DOMAIN = "/v1/domains/example.com";
const HERE = { headers: { "If-Match": "*" } };
const REQUIRE = { mxHosts: ["mx.example.com"], tls: { server: { level: "require" } } };

const codesOf = (json: { readonly warnings: readonly { readonly code: string }[] }): string[] =>
  json.warnings.map(({ code }) => code);

describe("a warning that an operator acknowledges at a domain", () => {
  it("is left out of the domain, its list and its status, and is shown again when that is taken back", async () => {
    const api = await startApi();
    const created = await api.expect(201, "PUT", DOMAIN, { body: REQUIRE });
    expect(created.json.acknowledgedWarnings).toEqual([]);
    expect(codesOf(created.json)).toEqual(["rfc3207-public-mx", "default-certificate-lacks-host"]);
    const patch = (body: unknown) => api.expect(200, "PATCH", DOMAIN, { body, ...HERE });
    const { json } = await patch({ acknowledgedWarnings: ["rfc3207-public-mx"] });
    expect(json).toMatchObject({ revision: 2, acknowledgedWarnings: ["rfc3207-public-mx"] });
    expect(codesOf(json)).toEqual(["default-certificate-lacks-host"]);
    const [listed] = (await api.expect(200, "GET", "/v1/domains")).json.items;
    expect(listed).toEqual(json);
    const status = await api.expect(200, "GET", `${DOMAIN}/status`);
    expect(codesOf(status.json)).not.toContain("rfc3207-public-mx");
    const back = await patch({ acknowledgedWarnings: null });
    expect(codesOf(back.json)).toContain("rfc3207-public-mx");
  });

  it("stays acknowledged when other settings, or tls alone, are written, and stands in the log", async () => {
    const api = await startApi();
    const acknowledgedWarnings = ["rfc3207-public-mx", "enforcement-observe"];
    await api.expect(201, "PUT", DOMAIN, { body: { ...REQUIRE, acknowledgedWarnings } });
    await api.expect(200, "PUT", `${DOMAIN}/tls`, { body: { enforcement: "observe" }, ...HERE });
    const tls = { server: { level: "require" } };
    const { json } = await api.expect(200, "PATCH", DOMAIN, { body: { tls }, ...HERE });
    expect(json.acknowledgedWarnings).toEqual(acknowledgedWarnings);
    expect(codesOf(json)).toEqual(["default-certificate-lacks-host"]);
    const [change] = (await api.expect(200, "GET", "/v1/changes?order=desc")).json.items;
    expect(change.after.acknowledgedWarnings).toEqual(acknowledgedWarnings);
    const replaced = await api.expect(200, "PUT", DOMAIN, { body: REQUIRE, ...HERE });
    expect(replaced.json.acknowledgedWarnings).toEqual([]);
  });

  it("takes no revision when it is acknowledged already", async () => {
    const api = await startApi();
    const body = { ...REQUIRE, acknowledgedWarnings: ["rfc3207-public-mx"] };
    await api.expect(201, "PUT", DOMAIN, { body });
    const again = await api.expect(200, "PUT", DOMAIN, { body, ...HERE });
    expect(again.headers.get("etag")).toBe('"1"');
  });

  it.each(WARNING_CODES)("%s is taken when it tells of a choice, and else 422", async (code) => {
    const api = await startApi();
    const acknowledged = { body: { acknowledgedWarnings: ["rfc3207-public-mx"] } };
    await api.expect(201, "PUT", DOMAIN, acknowledged);
    const isTaken = ACKNOWLEDGEABLE_CODES.some((each) => each === code);
    const { problems } = await api.expect(isTaken ? 200 : 422, "PATCH", DOMAIN, {
      body: { acknowledgedWarnings: [code] },
      ...HERE,
    });
    expect(problems).toEqual(isTaken ? [] : ["not-acknowledgeable /acknowledgedWarnings/0"]);
  });

  it.each([
    [["no-such-warning"], "/acknowledgedWarnings/0"],
    [["rfc3207-public-mx", "rfc3207-public-mx"], "/acknowledgedWarnings/1"],
    ["rfc3207-public-mx", "/acknowledgedWarnings"],
  ])("is 400 as %j", async (acknowledgedWarnings, pointer) => {
    const api = await startApi();
    const { problems } = await api.expect(400, "PUT", DOMAIN, { body: { acknowledgedWarnings } });
    expect(problems.map((each) => each.split(" ")[1])).toEqual([pointer]);
  });
});
