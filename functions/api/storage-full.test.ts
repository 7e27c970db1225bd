import { describe, expect, it } from "vitest";
import { startApi } from "../../test/support/api.ts";
import { StorageFull } from "../../core/errors.ts";

describe("a write while the disk is full", () => {
  it("is 507 with the cause and without Retry-After; the API is not ready until there is room", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", "/v1/domains/a.example", { body: {} });
    const pages = Number(api.database.get("PRAGMA page_count")?.["page_count"]);
    api.database.run(`PRAGMA max_page_count = ${pages}`);
    const exceptions = Array.from({ length: 90 }, (_, index) => ({
      match: { clientCidr: `192.0.2.${index}/32` },
      level: "require",
      reason: "x".repeat(200),
    }));
    const body = { tls: { exceptions } };
    const { headers, json } = await api.expect(507, "PUT", "/v1/domains/b.example", { body });
    expect(headers.get("retry-after")).toBeNull();
    expect(json).toMatchObject({ type: "urn:postern:problem:storage-full" });
    expect(json.detail).toContain("no room on the disk");
    await api.expect(507, "GET", "/health/ready");
    await api.expect(200, "GET", "/health/live");
    await api.expect(200, "GET", "/v1/domains/a.example");
    await api.expect(404, "GET", "/v1/domains/b.example");
    api.database.run("PRAGMA max_page_count = 1000000");
    await api.expect(200, "GET", "/health/ready");
    await api.expect(201, "PUT", "/v1/domains/b.example", { body });
  });

  it("is 507 when it is the key vault's", async () => {
    const api = await startApi();
    api.vault.put = () => Promise.reject(new StorageFull("there is no room on the disk of the key vault"));
    const body = { source: "self-signed", names: ["mx.example"] };
    const { json } = await api.expect(507, "POST", "/v1/certificates", { body });
    expect(json.detail).toContain("key vault");
    expect(await api.store.head()).toBe(0);
  });
});
