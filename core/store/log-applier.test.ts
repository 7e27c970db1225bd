import { describe, expect, it } from "vitest";
import { domainRecord, name } from "../../test/support/records.ts";
import { contents, levelEntry } from "../../test/support/settings-feed.ts";
import { contentsAfter, FeedGap } from "./log-applier.ts";

describe("contents after log entries", () => {
  const start = contents(3, [domainRecord({ name: "a.example", revision: 3 })]);

  it("are refused after a gap, and entries not newer are skipped", () => {
    expect(() => contentsAfter(start, [levelEntry(5, "a.example", "none")])).toThrow(FeedGap);
    expect(contentsAfter(start, [levelEntry(3, "a.example", "none")])).toEqual(start);
  });

  it("have the hosts as the last entry left them", () => {
    const host = { host: name("mx.a.example"), account: "default", certificateId: null, domainCount: 1 };
    const claim = levelEntry(4, "a.example", "accept");
    const release = levelEntry(5, "a.example", "accept");
    if (claim.kind !== "entry" || release.kind !== "entry") throw new TypeError("entries can be read");
    const claimed = contentsAfter(start, [
      { ...claim, entry: { ...claim.entry, hosts: [{ host: host.host, before: null, after: host }] } },
    ]);
    expect(claimed.mxHosts).toEqual([host]);
    const released = contentsAfter(claimed, [
      { ...release, entry: { ...release.entry, hosts: [{ host: host.host, before: host, after: null }] } },
    ]);
    expect(released.mxHosts).toEqual([]);
  });

  it("keep the version before of what cannot be read, and say so until it can", () => {
    const item = { kind: "domain", id: "a.example", problem: "not JSON" } as const;
    const unreadable = contentsAfter(start, [{ kind: "unreadable", revision: 4, item, account: null }]);
    expect(unreadable).toEqual({ ...start, revision: 4, unreadable: [item] });
    const mended = contentsAfter(unreadable, [levelEntry(5, "a.example", "require")]);
    expect(mended.unreadable).toEqual([]);
    expect(mended.domains.map(({ tls }) => tls.server.level)).toEqual(["require"]);
  });
});
