import { describe, expect, it } from "vitest";
import type { EdgeId } from "../../core/name/ids.ts";
import type { UnreadableItem } from "../../core/store/store.ts";
import { startApi, TOKEN } from "../../test/support/api.ts";
import { type Effects, REAL_EFFECTS } from "./effects.ts";
import { createPostern, type Postern, PosternNotAppliedError } from "./index.ts";

const TIMEOUT_MS = 60_000;

/** An API with edges, whose time passes while the SDK waits. `onPause` is called at each pause. */
async function started(
  onPause: (count: number) => Promise<void> | void,
  timesOutAfter = Number.POSITIVE_INFINITY,
) {
  const api = await startApi();
  let pauses = 0;
  let over: (() => void) | null = null;
  const effects: Effects = {
    ...REAL_EFFECTS,
    sleep: async (ms, signal) => {
      if (ms === TIMEOUT_MS) return new Promise((resolve) => (over = resolve));
      // That of one attempt.
      if (ms > 10_000) return new Promise(() => undefined);
      pauses += 1;
      if (pauses >= timesOutAfter) over?.();
      await Promise.resolve();
      signal.throwIfAborted();
      return onPause(pauses);
    },
  };
  const fetch: typeof globalThis.fetch = async (input, init) => api.app.fetch(new Request(input, init));
  const postern: Postern = createPostern({
    url: "http://postern.example",
    auth: { token: TOKEN },
    fetch,
    effects,
  });
  const report = (id: EdgeId, revision: number, unreadable: readonly UnreadableItem[] = []) =>
    api.edgeReports.report({
      id,
      release: "0.1.0",
      listeners: [{ name: "mx", address: "192.0.2.1", port: 25, domain: null, proxyProtocol: false }],
      revision,
      certificates: [],
      certificateProblems: [],
      unreadable,
      stale: false,
      chainVerifier: true,
      omitted: 0,
    });
  return { api, postern, report, pauses: () => pauses };
}

describe("waitUntilApplied", () => {
  it("returns the status as soon as every live edge enforces the revision", async () => {
    const edges: EdgeId[] = [];
    const { api, postern, report, pauses } = await started((count) =>
      report(edges[count - 1] ?? edges[0] ?? expect.fail(), 1),
    );
    edges.push(api.ids.edge(), api.ids.edge());
    for (const id of edges) await report(id, 0);
    const { revision } = await postern.domains.put("example.org", {});
    const status = await postern.domains.waitUntilApplied("example.org", revision);
    expect(status.edges).toMatchObject({ atRevision: 2, live: [{}, {}] });
    expect(pauses()).toBe(2);
  });

  it("is not content with no edge at all", async () => {
    const { postern } = await started(() => undefined, 3);
    await postern.domains.put("example.org", {});
    await expect(postern.domains.waitUntilApplied("example.org", 1)).rejects.toThrow(
      "example.org at revision 1 is not in force at any edge yet",
    );
  });

  it("fails when the time is over, and names the edges that lag", async () => {
    const { api, postern, report } = await started(() => undefined, 4);
    const [first, second] = [api.ids.edge(), api.ids.edge()];
    await report(first, 1);
    await report(second, 0);
    await postern.domains.put("example.org", {});
    const failure = await postern.domains.waitUntilApplied("example.org", 1).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PosternNotAppliedError);
    expect(failure).toMatchObject({ message: `example.org at revision 1 is not in force at ${second} yet` });
    expect((failure as PosternNotAppliedError).status?.edges.atRevision).toBe(1);
  });

  it("is not content with an edge at the revision that cannot read the domain, as the API is not", async () => {
    const item = { kind: "domain", id: "example.org", problem: "not JSON" } as const;
    const { api, postern, report } = await started((count) =>
      count === 1 ? report(edge, 1, [item]) : report(edge, 1),
    );
    const edge = api.ids.edge();
    await report(edge, 1, [item]);
    await postern.domains.put("example.org", {});
    const status = await postern.domains.waitUntilApplied("example.org", 1);
    expect(status).toMatchObject({ applied: true, unreadable: [], edges: { atRevision: 1 } });
  });

  it("names an edge that cannot read the domain when the time is over", async () => {
    const { api, postern, report } = await started(() => undefined, 1);
    const edge = api.ids.edge();
    await report(edge, 1, [{ kind: "domain", id: "example.org", problem: "not JSON" }]);
    await postern.domains.put("example.org", {});
    await expect(postern.domains.waitUntilApplied("example.org", 1)).rejects.toThrow(
      `example.org at revision 1 is not in force at ${edge} yet`,
    );
  });

  it("ends with the caller's signal", async () => {
    const controller = new AbortController();
    const reason = new Error("the caller went away");
    const { postern } = await started((count) => {
      if (count === 2) controller.abort(reason);
    });
    await postern.domains.put("example.org", {});
    const { signal } = controller;
    await expect(postern.domains.waitUntilApplied("example.org", 1, { signal })).rejects.toBe(reason);
  });
});
