import { describe, expect, it } from "vitest";
import { domainRecord } from "../../test/support/records.ts";
import { Contention, RuleViolation, StaleRevision, StateConflict, Unavailable } from "../errors.ts";
import type { Commit, LogEntry, UnreadableRecord } from "./store.ts";
import { actionOf, logEntryOf } from "./log-entry.ts";
import { commitWithRetry, type WriteEffects } from "./commit-with-retry.ts";

const after = domainRecord();
const commitAt = (expectedHead: number): Commit => ({
  record: { kind: "domain", id: after.name, before: null, after },
  hosts: [],
  uses: [],
  account: "default",
  actor: "test",
  at: after.updatedAt,
  expectedHead,
});

/** A store whose commit fails with each error in turn and then stores; its head moves with every failure. */
function failing(...failures: readonly Error[]) {
  const left = [...failures];
  const committed: Commit[] = [];
  let head = 0;
  return {
    committed,
    queue: () => Promise.resolve(null),
    changesAfter: () => Promise.reject(new TypeError("nothing reads the log where there is no queue")),
    head: () => Promise.resolve(head),
    commitAll: () => Promise.reject(new TypeError("one write is stored alone")),
    commit: (commit: Commit): Promise<LogEntry> => {
      const failure = left.shift();
      if (failure === undefined) {
        committed.push(commit);
        return Promise.resolve(logEntryOf(commit));
      }
      head += 1;
      return Promise.reject(failure);
    },
  };
}

/** Time that passes only while sleeping; `random` is as given. */
function effects(random = 0.5): WriteEffects & { readonly pauses: number[] } {
  const pauses: number[] = [];
  let now = 5_000;
  return {
    pauses,
    now: () => now,
    random: () => random,
    sleep: (ms) => {
      pauses.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
}

const build = (head: number) => Promise.resolve({ commit: commitAt(head), result: `built at ${head}` });
const contention = () => new Contention("taken");

describe("a write", () => {
  it("is built at the head and stored at once when no one else writes", async () => {
    const time = effects();
    const { entry } = await commitWithRetry(failing(), build, time);
    expect(entry?.revision).toBe(1);
    expect(time.pauses).toEqual([]);
  });

  it("is read and validated again at the new head after contention", async () => {
    const store = failing(contention(), contention());
    const heads: number[] = [];
    await commitWithRetry(
      store,
      (head) => {
        heads.push(head);
        return build(head);
      },
      effects(),
    );
    expect(heads).toEqual([0, 1, 2]);
    expect(store.committed.map((commit) => commit.expectedHead)).toEqual([2]);
  });

  it("stops when validating again finds that it is not allowed any more", async () => {
    const gone = new RuleViolation([
      { pointer: "/tls", code: "unknown-certificate", message: "unknown certificate" },
    ]);
    const outcome = commitWithRetry(
      failing(contention()),
      (head) => (head === 0 ? build(head) : Promise.reject(gone)),
      effects(),
    );
    await expect(outcome).rejects.toBe(gone);
  });

  it("stops when its own condition does not hold, although a stale commit is built again", async () => {
    const time = effects();
    const outcome = commitWithRetry(failing(), () => Promise.reject(new StaleRevision("exists")), time);
    await expect(outcome).rejects.toBeInstanceOf(StaleRevision);
    expect(time.pauses).toEqual([]);
  });

  it("waits with full jitter: from nothing to a bound that doubles up to a second", async () => {
    const longest = effects(1);
    await commitWithRetry(failing(...Array.from({ length: 9 }, contention)), build, longest);
    expect(longest.pauses).toEqual([10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    const shortest = effects(0);
    await commitWithRetry(failing(contention(), contention()), build, shortest);
    expect(shortest.pauses).toEqual([0, 0]);
  });

  it("waits for its turn behind other writes of the process, whatever becomes of them", async () => {
    const store = failing(new Error("bug"), new StateConflict("in-use", "used"));
    const running: string[] = [];
    const write = (name: string) =>
      commitWithRetry(
        store,
        async (head) => {
          running.push(`${name} begins`);
          await new Promise(setImmediate);
          if (name === "c") throw new RuleViolation([]);
          running.push(`${name} commits`);
          return build(head);
        },
        effects(),
      ).then(
        ({ entry }) => entry?.revision,
        (error: unknown) => error instanceof Error && error.name,
      );
    const outcomes = await Promise.all(["a", "b", "c", "d"].map(write));
    expect(outcomes).toEqual(["Error", "StateConflict", "RuleViolation", 3]);
    expect(running.join(", ")).toBe(
      "a begins, a commits, b begins, b commits, c begins, d begins, d commits",
    );
  });

  it("lets others have their turn while it pauses, and is not held up by another store", async () => {
    const store = failing(contention());
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const paused = commitWithRetry(store, build, { ...effects(), sleep: () => asleep });
    const stuck = failing();
    void commitWithRetry(stuck, () => new Promise<never>(() => undefined), effects());
    await expect(commitWithRetry(store, build, effects())).resolves.toHaveProperty("entry.revision", 2);
    wake();
    await expect(paused).resolves.toHaveProperty("entry.revision", 2);
  });

  it("gives up when its turn comes after its time", async () => {
    const store = failing();
    let now = 0;
    const time = { ...effects(), now: () => now };
    const slow = commitWithRetry(
      store,
      (head) => {
        now = 10_000;
        return build(head);
      },
      time,
    );
    const late = commitWithRetry(store, build, time).catch((error: unknown) => error);
    await slow;
    expect(await late).toBeInstanceOf(Unavailable);
    expect(store.committed).toHaveLength(1);
  });

  it("gives up as unavailable within 10 s, keeping the cause", async () => {
    const time = effects(0.99);
    const store = failing(...Array.from({ length: 1000 }, contention));
    const outcome = await commitWithRetry(store, build, time).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(Unavailable);
    expect(outcome).toHaveProperty("cause", expect.any(Contention));
    const waited = time.pauses.reduce((sum, ms) => sum + ms, 0);
    expect(waited).toBeGreaterThan(8_000);
    expect(waited).toBeLessThan(10_000);
  });

  it("never ends in a loop without pauses", async () => {
    let now = 0;
    const time = { ...effects(0), now: () => (now += 1) };
    const store = failing(...Array.from({ length: 20_000 }, contention));
    await expect(commitWithRetry(store, build, time)).rejects.toBeInstanceOf(Unavailable);
  });

  it.each([new StateConflict("in-use", "used"), new Unavailable("down"), new Error("bug")])(
    "passes $name on without another try",
    async (error) => {
      const store = failing(error);
      await expect(commitWithRetry(store, build, effects())).rejects.toBe(error);
      expect(store.committed).toEqual([]);
    },
  );

  it("ends without a revision when its build finds nothing to change", async () => {
    const store = failing(contention());
    const unlessMoved = async (head: number) => (head === 0 ? build(head) : { unchanged: "as it is" });
    expect(await commitWithRetry(store, unlessMoved, effects())).toEqual({ entry: null, result: "as it is" });
    expect(store.committed).toEqual([]);
  });

  it("gives the result of the build that was stored", async () => {
    expect((await commitWithRetry(failing(contention()), build, effects())).result).toBe("built at 1");
  });

  it("is built again when another write took the record", async () => {
    const store = failing(new StaleRevision("stale"), contention());
    const { entry } = await commitWithRetry(store, build, effects());
    expect(entry?.revision).toBe(3);
  });
});

describe("a log entry", () => {
  it("takes the next revision, and so does the record in it", () => {
    const entry = logEntryOf(commitAt(41));
    expect(entry?.revision).toBe(42);
    expect(entry.record.after?.revision).toBe(42);
    expect(entry).not.toHaveProperty("expectedHead");
  });

  it("is refused when it could not be read back: such a record could never be changed again", () => {
    const commit = commitAt(0);
    const loose = { ...after, tls: { ...after.tls, server: { ...after.tls.server, certificateId: "mine" } } };
    const record = { ...commit.record, after: loose } as typeof commit.record;
    expect(() => logEntryOf({ ...commit, record })).toThrow("could not be read back");
    expect(() => logEntryOf({ ...commit, at: "today" })).toThrow("could not be read back");
  });

  it("says what was done", () => {
    const change = (from: typeof after | null, to: typeof after | null, replaced?: UnreadableRecord) =>
      actionOf({ record: { kind: "domain", id: after.name, before: from, after: to }, replaced });
    const replaced = { revision: 3, isOwn: true, problem: "", mxHosts: [], trustStoreIds: [] };
    expect(change(null, after)).toBe("create");
    expect(change(after, after)).toBe("update");
    expect(change(after, null)).toBe("delete");
    expect(change(null, after, replaced)).toBe("update");
    expect(change(null, null, replaced)).toBe("delete");
    expect(() => change(null, null)).toThrow(TypeError);
  });
});
