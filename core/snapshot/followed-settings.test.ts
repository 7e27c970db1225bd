import { describe, expect, it } from "vitest";
import {
  contents,
  domainAtLevel,
  levelEntry,
  levelOf,
  ScriptedStore,
} from "../../test/support/settings-feed.ts";
import { Unavailable } from "../errors.ts";
import { FollowedSettings } from "./followed-settings.ts";

const storeAt = (revision: number): ScriptedStore => {
  const store = new ScriptedStore();
  store.contents = contents(revision, [domainAtLevel("example.com", "none", revision)]);
  store.head = revision;
  return store;
};

describe("followed settings", () => {
  it("are loaded once; each request then reads the log to its head", async () => {
    const store = storeAt(3);
    const settings = new FollowedSettings(store);
    expect(levelOf(await settings.current(), "example.com")).toBe("none");
    expect(store.calls).toEqual(["all"]);
    store.log = [levelEntry(4, "example.com", "accept"), levelEntry(5, "example.com", "require")];
    store.head = 5;
    const snapshot = await settings.current();
    expect([levelOf(snapshot, "example.com"), snapshot.revision]).toEqual(["require", 5]);
    await settings.current();
    expect(store.calls).toEqual(["all", "after 3", "after 5", "after 5"]);
  });

  it("hold what was written before a request, also while an earlier request reads", async () => {
    const store = storeAt(3);
    const settings = new FollowedSettings(store);
    const early = settings.current();
    store.log = [levelEntry(4, "example.com", "require")];
    store.head = 4;
    const late = [settings.current(), settings.current()];
    expect((await early).revision).toBe(3);
    expect((await Promise.all(late)).map(({ revision }) => revision)).toEqual([4, 4]);
    expect(store.mostAtOnce).toBe(1);
    expect(store.calls).toEqual(["all", "after 3", "after 4"]);
  });

  it.each([
    ["the log has a gap", [levelEntry(6, "example.com", "require")], 6],
    ["the store is at a lower revision", [], 2],
    ["an entry cannot be applied", [{ kind: "entry", entry: {} } as never], 6],
  ])("are loaded again where %s", async (_case, log, head) => {
    const store = storeAt(3);
    const settings = new FollowedSettings(store);
    await settings.current();
    Object.assign(store, {
      log,
      head,
      contents: contents(head, [domainAtLevel("example.com", "require", head)]),
    });
    const snapshot = await settings.current();
    expect([levelOf(snapshot, "example.com"), snapshot.revision]).toEqual(["require", head]);
  });

  it("keep what they hold when the store does not answer, and say so", async () => {
    const store = storeAt(3);
    const settings = new FollowedSettings(store);
    store.contents = new Unavailable("no answer");
    await expect(settings.current()).rejects.toThrow(Unavailable);
    store.contents = contents(3, []);
    await settings.current();
    store.log = new Unavailable("no answer");
    await expect(settings.current()).rejects.toThrow(Unavailable);
    store.log = [];
    expect((await settings.current()).revision).toBe(3);
    expect(store.calls.filter((call) => call === "all")).toHaveLength(2);
  });
});
