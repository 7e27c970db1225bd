import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import openApi from "../../openapi.json" with { type: "json" };
import { DOCS_PAGE } from "../../local/docs-page.ts";
import { type HttpServer, startHttpServer } from "../../local/http-server.ts";
import { startApi, TOKEN } from "../support/api.ts";
import { Browser, type Page } from "../support/browser.ts";

const isAbsent = inject("absentPeers").includes("chromium");
type Operation = { readonly tags: readonly string[]; readonly operationId: string };
/** The first operation of each tag. */
function firstOfTags(): Operation[] {
  const all = Object.values(openApi.paths).flatMap((item) =>
    Object.values(item as object).filter((each): each is Operation =>
      Object.hasOwn(each as object, "operationId"),
    ),
  );
  return openApi.tags.flatMap(({ name }) => all.find(({ tags }) => tags.includes(name)) ?? []);
}
const METHODS = ["get", "put", "post", "patch", "delete"];

describe.skipIf(isAbsent)("the page at /docs in Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await Browser.start();
  });
  afterAll(() => browser.close());

  async function opened(run: (page: Page, server: HttpServer) => Promise<void>): Promise<void> {
    const api = await startApi({ docs: DOCS_PAGE });
    const server = await startHttpServer({
      host: "127.0.0.1",
      port: 0,
      fetch: (request, env) => api.app.fetch(request, env),
      onRefused: () => undefined,
      onError: () => undefined,
    });
    try {
      await run(await browser.open(`http://127.0.0.1:${server.port}/docs`), server);
    } finally {
      await server.close();
    }
  }

  const count = (page: Page, selector: string) => () =>
    page.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  const click = (page: Page, selector: string) =>
    page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);

  it("shows every operation, asks no other host, and breaks no rule of its policy", async () => {
    const operations = Object.values(openApi.paths).flatMap((item) =>
      Object.keys(item).filter((name) => METHODS.includes(name)),
    );
    await opened(async (page, { port }) => {
      await expect.poll(count(page, ".opblock"), { timeout: 120_000 }).toBe(operations.length);
      // One of each tag is opened, so that every part of an operation is drawn.
      for (const { operationId } of firstOfTags()) {
        const operation = `.opblock[id$="-${operationId}"]`;
        await click(page, `${operation} .opblock-summary-control`);
        await expect.poll(count(page, `${operation} .responses-wrapper`), { timeout: 120_000 }).toBe(1);
      }
      const { requested, complaints } = page.report();
      const others = requested.filter(
        (url) => !url.startsWith(`http://127.0.0.1:${port}/`) && !url.startsWith("data:"),
      );
      expect(others).toEqual([]);
      expect(complaints).toEqual([]);
    });
  });

  it("sends a request with the token that was entered, and shows its answer", async () => {
    await opened(async (page) => {
      await expect.poll(count(page, ".opblock"), { timeout: 120_000 }).toBeGreaterThan(10);
      await click(page, "button.authorize");
      await expect.poll(count(page, ".auth-container input")).toBe(1);
      await page.evaluate(`document.querySelector(".auth-container input").focus()`);
      await page.type(TOKEN);
      await click(page, ".auth-container button.authorize[type=submit]");
      await expect.poll(count(page, ".auth-container .wrapper")).toBeGreaterThan(0);
      await click(page, "button.btn-done");
      await click(page, "#operations-access-getCaller .opblock-summary-control");
      await expect.poll(count(page, "#operations-access-getCaller button.execute")).toBe(1);
      await click(page, "#operations-access-getCaller button.execute");
      const status = "#operations-access-getCaller .live-responses-table .response .response-col_status";
      await expect.poll(count(page, status)).toBe(1);
      expect(await page.evaluate(`document.querySelector("${status}").innerText.trim().slice(0, 3)`)).toBe(
        "200",
      );
      const body = "#operations-access-getCaller .live-responses-table";
      expect(await page.evaluate(`document.querySelector("${body}").innerText`)).toContain('"tester"');
      expect(page.report().complaints).toEqual([]);
    });
  });
});
