import { expect, it } from "vitest";
import { startApi } from "../test/support/api.ts";
import { DOCS_PAGE } from "./docs-page.ts";

it("serves the page and each file that it loads, and nothing is of another host", async () => {
  const api = await startApi({ docs: DOCS_PAGE });
  const page = await api.app.request("/docs");
  expect(page.status).toBe(200);
  const html = await page.text();
  const loaded = [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, target = ""]) => target);
  const files = loaded.filter((target) => !target.startsWith("data:"));
  expect(files.toSorted()).toEqual(
    Object.keys(DOCS_PAGE)
      .filter((path) => path !== "/docs")
      .toSorted(),
  );
  for (const path of files) {
    const response = await api.app.request(path);
    expect(response.status, path).toBe(200);
    expect((await response.arrayBuffer()).byteLength, path).toBeGreaterThan(100);
  }
  expect(html).not.toMatch(/<style|\son\w+=|style=|javascript:|<script>/i);
});

it.each(Object.keys(DOCS_PAGE))("forbids %s what is not its own", async (path) => {
  const api = await startApi({ docs: DOCS_PAGE });
  const { headers } = await api.app.request(path);
  const policy = headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/https?:|unsafe|\*/);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
});

it("reads the document of this API, and reports it to no other", async () => {
  const api = await startApi({ docs: DOCS_PAGE });
  const script = await (await api.app.request("/docs/start.js")).text();
  expect(script).toContain('url: "/openapi.json"');
  // A service on the internet would receive the address of the document.
  expect(script).toContain("validatorUrl: null");
});
