import { describe, expect, it } from "vitest";
import { startIssuance } from "../../test/support/issuance.ts";

/** Effects of retries whose pauses pass at once, and are noted. */
function notedPauses() {
  const pauses: number[] = [];
  let nowMs = 0;
  const sleep = async (ms: number): Promise<void> => {
    pauses.push(ms);
    nowMs += ms;
  };
  return { pauses, retry: { now: () => nowMs, random: () => 0.5, sleep } };
}

describe("Retry-After of a CA", () => {
  it("that still validates is honoured between two looks at the order", async () => {
    const under = await startIssuance({ validationPolls: 2, retryAfter: "30" });
    const id = await under.create();
    const { pauses, retry } = notedPauses();
    expect(await under.open({ retry }).advance(id)).toBe("issued");
    expect(pauses).toEqual([30_000, 30_000]);
  });

  it("that is longer than a sweep waits leaves the order to the next sweep", async () => {
    const under = await startIssuance({ validationPolls: 1, retryAfter: "3600" });
    const id = await under.create();
    const { pauses, retry } = notedPauses();
    expect(await under.open({ retry }).advance(id)).toBe("waiting");
    expect(pauses).toEqual([]);
    expect(under.ca.counts.order).toBe(1);
    under.api.advance(3_600_000);
    expect(await under.open({ retry }).advance(id)).toBe("issued");
    expect(under.ca.counts.newOrder).toBe(1);
  });

  it("of a load balancer's page counts as much as that of a problem document", async () => {
    const under = await startIssuance();
    const id = await under.create();
    const headers = { "content-type": "text/html", "retry-after": "7200" };
    under.ca.faults.set("newOrder", { kind: "answer", status: 503, headers, body: "<html>" });
    await expect(under.open().advance(id)).rejects.toThrow("answered with HTTP status 503");
    const { lastError } = await under.show(id);
    expect(Date.parse(lastError.nextAt) - Date.parse(lastError.at)).toBe(7_200_000);
  });
});
