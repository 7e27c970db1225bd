import { describe, expect, it } from "vitest";
import { domainRecord } from "../../test/support/records.ts";
import { VirtualTime } from "../../test/support/virtual-time.ts";
import { Contention, RuleViolation, StaleRevision, StateConflict, Unavailable } from "../errors.ts";
import { type Planned, waitingIn, writersBefore, writeWithQueue } from "./queued-write.ts";
import type { Commit, CommitSeries, LogEntry, LookWith, OfferedWrite, WriterLine } from "./store.ts";
import { logEntryOf } from "./log-entry.ts";
import { commitWithRetry } from "./commit-with-retry.ts";

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
/** What the feed shows of a write that has nothing in common with `commitAt`. */
const elsewhereAt = (revision: number) => {
  const other = domainRecord({ name: "other.example", mxHosts: ["mx.other.example"] });
  const record = { kind: "domain", id: other.name, before: null, after: other } as const;
  return { kind: "entry", entry: logEntryOf({ ...commitAt(revision - 1), record }) } as const;
};
/** A feed of such writes alone. */
const shownElsewhere = (state: { readonly head: number }) => async (revision: number) => ({
  entries: Array.from({ length: state.head - revision }, (_, index) => elsewhereAt(revision + 1 + index)),
  head: state.head,
});
const line = (parts: Partial<WriterLine>): WriterLine => ({
  head: 0,
  served: 0,
  taken: 0,
  left: new Set(),
  entry: null,
  storedAt: null,
  ...parts,
});

/** A queue and a log in memory; each commit fails with the next of `failures`, if any is left. */
function start(failures: readonly Error[] = []) {
  const time = new VirtualTime();
  const state = { head: 0, served: 0, taken: 0, left: new Set<number>() };
  const offers = new Map<number, Commit>();
  const storedAt = new Map<number, number>();
  const waiting = [...failures];
  const commits: Commit[] = [];
  const builds: number[] = [];
  const queue = {
    enter: async () => (state.taken += 1),
    line: async ({ offer }: LookWith = {}): Promise<WriterLine> => {
      await time.sleep(4);
      const stored = offer === undefined ? null : (storedAt.get(offer) ?? null);
      return { ...state, left: new Set(state.left), entry: null, storedAt: stored };
    },
    offer: async ({ ticket, commit }: OfferedWrite) => {
      offers.set(ticket, commit);
      return true;
    },
    offersAfter: async (ticket: number) =>
      [...offers].flatMap(([each, commit]) => (each > ticket ? [{ ticket: each, commit }] : [])),
    withdraw: async (ticket: number) => {
      offers.delete(ticket);
      return storedAt.get(ticket) ?? null;
    },
    leave: async (ticket: number) => {
      state.left.add(ticket);
    },
  };
  const store = {
    queue: async () => queue,
    head: () => Promise.reject(new TypeError("the line shows the head")),
    // Nothing is carried: what it takes is for carried-commit.test.ts.
    changesAfter: async () => ({ entries: [], head: state.head }),
    // Two at most find room.
    commitAll: async (series: CommitSeries): Promise<LogEntry[]> => {
      const entries = [];
      for (const commit of series.slice(0, 2)) entries.push(await store.commit(commit));
      return entries;
    },
    commit: async (commit: Commit): Promise<LogEntry> => {
      commits.push(commit);
      const failure = waiting.shift();
      if (failure !== undefined) throw failure;
      if (commit.expectedHead !== state.head) throw new Contention("another head");
      state.head += 1;
      state.served = commit.ticket ?? state.served;
      return logEntryOf(commit);
    },
  };
  const build = async (head: number): Promise<Planned<string>> => {
    builds.push(head);
    return { commit: commitAt(head), result: `built at ${head}` };
  };
  const effects = { now: time.now, sleep: time.sleep, random: () => 0.5 };
  const write = {
    store,
    queue,
    build,
    deadline: 10_000,
    ...effects,
  };
  return { time, state, store, commits, builds, build, effects, write, offers, storedAt };
}

describe("the line of writers", () => {
  it("counts those with a ticket after the one served, without those who left", () => {
    expect(writersBefore(line({ served: 4, taken: 9 }), 8)).toBe(3);
    expect(writersBefore(line({ served: 4, taken: 9, left: new Set([3, 5, 7, 8, 9]) }), 8)).toBe(1);
    expect(waitingIn(line({ served: 4, taken: 9, left: new Set([9]) }))).toBe(4);
    expect(waitingIn(line({ served: 4, taken: 4 }))).toBe(0);
  });

  it("has no one before a ticket that was passed", () => {
    expect(writersBefore(line({ served: 9, taken: 9 }), 5)).toBe(0);
  });
});

describe("a write in the queue", () => {
  it("is stored under its ticket, at the head of its turn", async () => {
    const { time, state, commits, write } = start([new Contention("taken")]);
    Object.assign(state, { head: 7, served: 3, taken: 3 });
    expect((await time.run(writeWithQueue(write))).entry?.revision).toBe(8);
    expect(commits.map(({ ticket, expectedHead }) => [ticket, expectedHead])).toEqual([
      [4, 7],
      [4, 7],
    ]);
  });

  it("waits for those before it, and for none who left", async () => {
    const { time, state, commits, write } = start();
    Object.assign(state, { taken: 3, left: new Set([2]) });
    const before = (async () => {
      for (const served of [1, 3]) {
        await time.sleep(100);
        expect(commits).toEqual([]);
        Object.assign(state, { head: state.head + 1, served });
      }
    })();
    await time.run(Promise.all([writeWithQueue(write), before]));
    expect(commits.map(({ ticket, expectedHead }) => [ticket, expectedHead])).toEqual([[4, 2]]);
    expect(time.now()).toBeLessThan(230);
  });

  it("gives the result of the build that was stored, and not of one that lost", async () => {
    const built: string[] = [];
    const { time, build: first, write } = start([new StaleRevision("another write")]);
    const build = async (head: number) => {
      built.push(`build ${built.length + 1}`);
      return { ...(await first(head)), result: built.at(-1) };
    };
    expect((await time.run(writeWithQueue({ ...write, build }))).result).toBe("build 2");
  });

  it("takes no ticket when nothing would change", async () => {
    const { time, state, commits, write } = start();
    const build = async () => ({ unchanged: "as it is" });
    const written = await time.run(writeWithQueue({ ...write, build }));
    expect(written).toEqual({ entry: null, result: "as it is" });
    expect([state.taken, commits]).toEqual([0, []]);
  });

  it("leaves the queue when nothing would change any more at its turn", async () => {
    const { time, state, commits, build, write } = start([new StaleRevision("another write")]);
    let builds = 0;
    const second = async (head: number) => ((builds += 1) > 1 ? { unchanged: "as it is" } : build(head));
    const written = await time.run(writeWithQueue({ ...write, build: second }));
    expect(written).toEqual({ entry: null, result: "as it is" });
    expect([state.left, commits.length]).toEqual([new Set([1]), 1]);
  });

  it("goes past writers who are never served, one by one", async () => {
    const { time, state, commits, write } = start();
    state.taken = 3;
    const entries = await time.run(Promise.all([writeWithQueue(write), writeWithQueue(write)]));
    expect(entries.map(({ entry }) => entry?.revision)).toEqual([1, 2]);
    expect(commits.map(({ ticket }) => ticket)).toEqual([4, 5]);
    expect(time.now()).toBeLessThan(1_000);
  });

  it.each([30, 300, 100_000])("is not held up by %i writers that ended without leaving", async (crashed) => {
    const { time, state, commits, write } = start();
    state.taken = crashed;
    const entries = await time.run(Promise.all([writeWithQueue(write), writeWithQueue(write)]));
    expect(new Set(entries.map(({ entry }) => entry?.revision))).toEqual(new Set([1, 2]));
    expect(commits[0]?.ticket).toBeGreaterThan(crashed);
    expect(time.now()).toBeLessThan(5_000);
  });

  it("that was passed takes its turn at once, and no ticket counts as served twice", async () => {
    const { time, state, commits, write } = start();
    state.taken = 1;
    const passing = (async () => {
      await time.sleep(10);
      Object.assign(state, { head: 2, taken: 3, served: 3 });
    })();
    await time.run(Promise.all([writeWithQueue(write), passing]));
    expect(commits.map(({ ticket }) => ticket)).toEqual([undefined]);
    expect(state.served).toBe(3);
  });

  it("is tried again when another went first", async () => {
    const { time, commits, write } = start([new Contention("taken"), new Contention("taken")]);
    await time.run(writeWithQueue(write));
    expect(commits).toHaveLength(3);
  });

  it("is built again, and not sent as it was, when another write changed its record meanwhile", async () => {
    const { time, state, commits, builds, write } = start([new Contention("taken")]);
    const changed = { kind: "entry", entry: logEntryOf(commitAt(0)) } as const;
    const commit = (tried: Commit) => {
      if (commits.length === 0) state.head = 1;
      return write.store.commit(tried);
    };
    const changesAfter = async () => ({ entries: [changed], head: 1 });
    await time.run(writeWithQueue({ ...write, store: { ...write.store, commit, changesAfter } }));
    expect(builds).toEqual([0, 1]);
    expect(commits.map(({ expectedHead }) => expectedHead)).toEqual([0, 1]);
  });

  it("reads the entry that its plan is behind by together with the line, and the log only where that is not enough", async () => {
    const { time, state, builds, commits, write } = start([new Contention("taken")]);
    const asked: (number | undefined)[] = [];
    const shown = async ({ entry }: LookWith = {}) => {
      asked.push(entry);
      if (asked.length === 2) state.head = 1;
      return { ...(await write.queue.line()), entry: entry === 1 ? elsewhereAt(1) : null };
    };
    const changesAfter = () => Promise.reject(new TypeError("the line has the entry"));
    const queue = { ...write.queue, line: shown };
    await time.run(writeWithQueue({ ...write, queue, store: { ...write.store, changesAfter } }));
    expect(asked).toEqual([undefined, 1]);
    expect(builds).toEqual([0]);
    expect(commits.map(({ expectedHead }) => expectedHead)).toEqual([0, 1]);
  });

  it("reads the log where the head is further on than the entry that came with the line", async () => {
    const { time, state, commits, write } = start([new Contention("taken")]);
    const shown = async ({ entry }: LookWith = {}) => {
      if (entry !== undefined) state.head = 2;
      return { ...(await write.queue.line()), entry: entry === 1 ? elsewhereAt(1) : null };
    };
    let reads = 0;
    const changesAfter = async () => {
      reads += 1;
      return { entries: [elsewhereAt(1), elsewhereAt(2)], head: 2 };
    };
    const queue = { ...write.queue, line: shown };
    await time.run(writeWithQueue({ ...write, queue, store: { ...write.store, changesAfter } }));
    expect(reads).toBe(1);
    expect(commits.at(-1)?.expectedHead).toBe(2);
  });

  it("is built again when its record was found changed", async () => {
    const { time, builds, write } = start([new Contention("taken"), new StaleRevision("changed")]);
    await time.run(writeWithQueue(write));
    expect(builds).toEqual([0, 0]);
  });

  it("looks again when it was passed while its plan was carried: no ticket counts as served twice", async () => {
    const { time, state, commits, write } = start([new Contention("taken")]);
    const commit = (tried: Commit) => {
      if (commits.length === 0) state.head = 1;
      return write.store.commit(tried);
    };
    const changesAfter = async () => {
      Object.assign(state, { head: 2, served: 2, taken: 2 });
      return { entries: [1, 2].map((revision) => elsewhereAt(revision)), head: 2 };
    };
    await time.run(writeWithQueue({ ...write, store: { ...write.store, commit, changesAfter } }));
    expect(state).toMatchObject({ head: 3, served: 2 });
  });

  it.each([new StateConflict("in-use", "used"), new Unavailable("down")])(
    "leaves the queue after $name",
    async (error) => {
      const { time, state, write } = start([new Contention("taken"), error]);
      await expect(time.run(writeWithQueue(write))).rejects.toBe(error);
      expect(state.left).toEqual(new Set([1]));
    },
  );

  it("leaves the queue when building it again finds that it is not allowed any more", async () => {
    const { time, state, write, commits } = start();
    const gone = new RuleViolation([]);
    state.taken = 1;
    const build = () => Promise.reject(gone);
    await expect(time.run(writeWithQueue({ ...write, build }))).rejects.toBe(gone);
    expect(state.left).toEqual(new Set([2]));
    expect(commits).toEqual([]);
  });

  it("is Unavailable at its deadline, and leaves", async () => {
    const { time, state, write } = start(Array.from({ length: 1_000 }, () => new Contention("taken")));
    const error = await time.run(writeWithQueue(write)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Unavailable);
    expect(error).toHaveProperty("cause", expect.any(Contention));
    expect(time.now()).toBeLessThanOrEqual(10_000);
    expect(state.left).toEqual(new Set([1]));
  });

  it("ends with its own error when leaving fails too", async () => {
    const { time, write } = start([new Contention("taken"), new StateConflict("in-use", "used")]);
    const queue = { ...write.queue, leave: () => Promise.reject(new Unavailable("down")) };
    await expect(time.run(writeWithQueue({ ...write, queue }))).rejects.toBeInstanceOf(StateConflict);
  });
});

describe("a write that waits behind others", () => {
  /** Two wait before it. */
  const behindTwo = () => {
    const started = start();
    started.state.taken = 2;
    return started;
  };

  it("is offered as it was built, and answered with what another stored of it", async () => {
    const { time, state, offers, storedAt, commits, write } = behindTwo();
    const other = (async () => {
      await time.sleep(50);
      expect([...offers]).toEqual([[3, commitAt(0)]]);
      storedAt.set(3, 3);
      Object.assign(state, { head: 3, served: 3 });
    })();
    const [written] = await time.run(Promise.all([writeWithQueue(write), other]));
    expect(written).toEqual({ entry: logEntryOf(commitAt(2)), result: "built at 0" });
    expect(commits).toEqual([]);
  });

  it("settles its offer when it is stored at its own turn", async () => {
    const { time, state, commits, write } = behindTwo();
    const other = time.sleep(50).then(() => Object.assign(state, { head: 2, served: 2 }));
    const store = { ...write.store, changesAfter: shownElsewhere(state) };
    await time.run(Promise.all([writeWithQueue({ ...write, store }), other]));
    expect(commits.map(({ ticket, offered }) => [ticket, offered])).toEqual([[3, 3]]);
  });

  it("takes its offer back before it is planned again: it has one plan at a time", async () => {
    const { time, state, offers, builds, commits, build, write } = behindTwo();
    const other = time.sleep(50).then(() => Object.assign(state, { head: 2, served: 2 }));
    const rebuilt = (head: number) => {
      if (head === 2) expect([...offers]).toEqual([]);
      return build(head);
    };
    await time.run(Promise.all([writeWithQueue({ ...write, build: rebuilt }), other]));
    expect(builds).toEqual([0, 2]);
    expect(commits.map(({ ticket, offered }) => [ticket, offered])).toEqual([[3, undefined]]);
  });

  it("is not planned again before its turn while it is offered", async () => {
    const { time, state, builds, write } = behindTwo();
    const others = (async () => {
      for (const served of [1, 2]) {
        await time.sleep(50);
        Object.assign(state, { head: served, served });
      }
    })();
    await time.run(Promise.all([writeWithQueue(write), others]));
    expect(builds).toEqual([0, 2]);
  });

  it("is not planned upon its own write, which the line does not show yet", async () => {
    const { time, state, builds, storedAt, commits, write } = behindTwo();
    const other = time.sleep(50).then(() => {
      storedAt.set(3, 3);
      return Object.assign(state, { head: 3, served: 3 });
    });
    const queue = { ...write.queue, line: async () => ({ ...(await write.queue.line()), storedAt: null }) };
    const [written] = await time.run(Promise.all([writeWithQueue({ ...write, queue }), other]));
    expect(written).toEqual({ entry: logEntryOf(commitAt(2)), result: "built at 0" });
    expect({ builds, commits }).toEqual({ builds: [0], commits: [] });
  });

  it("takes its offer back at its deadline", async () => {
    const { time, offers, write } = behindTwo();
    const work = writeWithQueue({ ...write, deadline: 100 });
    await expect(time.run(work)).rejects.toBeInstanceOf(Unavailable);
    expect([...offers]).toEqual([]);
  });

  it("is stored and no failure, when another stored it as its time was over", async () => {
    const { time, state, storedAt, write } = behindTwo();
    const queue = { ...write.queue, withdraw: async () => 2 };
    const { entry } = await time.run(writeWithQueue({ ...write, queue, deadline: 100 }));
    expect(entry?.revision).toBe(2);
    expect(storedAt.size).toBe(0);
    expect(state.left).toEqual(new Set());
  });

  it("is not offered when it takes the place of a record that cannot be read", async () => {
    const { time, state, offers, build, write } = behindTwo();
    const replaced = { revision: 1, isOwn: true, problem: "", mxHosts: [], trustStoreIds: [] };
    const other = time.sleep(50).then(() => Object.assign(state, { head: 2, served: 2 }));
    const rebuilt = async (head: number) => ({
      ...(await build(head)),
      commit: { ...commitAt(head), replaced },
    });
    await time.run(Promise.all([writeWithQueue({ ...write, build: rebuilt }), other]));
    expect([...offers]).toEqual([]);
  });

  it("takes along what is offered behind it, and not a second time after it was too late", async () => {
    const { time, state, offers, commits, write } = start([new Contention("taken")]);
    const after3 = domainRecord({ name: "other.example", mxHosts: ["mx.other.example"] });
    const record = { kind: "domain", id: after3.name, before: null, after: after3 } as const;
    state.taken = 1;
    const other = (async () => {
      await time.sleep(50);
      offers.set(3, { ...commitAt(1), record });
      Object.assign(state, { head: 1, served: 1, taken: 3 });
    })();
    await time.run(Promise.all([writeWithQueue(write), other]));
    const along = [{ ticket: 3, commit: { ...commitAt(2), record } }];
    expect(commits.map((tried) => [tried.ticket, tried.along])).toEqual([
      [2, along],
      [2, undefined],
    ]);
  });
});

describe("a writer that may store its own writes alone", () => {
  it("takes no offers along, and offers its own", async () => {
    const { time, state, offers, commits, write } = start();
    Object.assign(state, { taken: 1 });
    const other = (async () => {
      await time.sleep(50);
      offers.set(3, commitAt(1));
      Object.assign(state, { head: 1, served: 1, taken: 3 });
    })();
    const store = { ...write.store, changesAfter: shownElsewhere(state) };
    await time.run(Promise.all([writeWithQueue({ ...write, store, storesOffers: false }), other]));
    expect(commits.map(({ ticket, offered, along }) => [ticket, offered, along])).toEqual([
      [2, 2, undefined],
    ]);
  });
});

describe("a write where others may wait", () => {
  it("takes a ticket and commits without another look when none waits", async () => {
    const { time, state, store, build, effects, commits } = start();
    Object.assign(state, { head: 5, served: 2, taken: 2 });
    await time.run(commitWithRetry(store, build, effects));
    expect(commits.map(({ ticket, expectedHead }) => [ticket, expectedHead])).toEqual([[3, 5]]);
    expect(time.now()).toBe(4);
  });

  it("waits for one that took a ticket while it was built", async () => {
    const { time, state, store, commits, build, effects } = start();
    const slow = (head: number) => {
      state.taken = Math.max(state.taken, 1);
      return build(head);
    };
    const other = (async () => {
      await time.sleep(50);
      expect(commits).toEqual([]);
      Object.assign(state, { head: 1, served: 1 });
    })();
    await time.run(Promise.all([commitWithRetry(store, slow, effects), other]));
    expect(commits.map(({ ticket, expectedHead }) => [ticket, expectedHead])).toEqual([[2, 1]]);
  });

  it("marks the tickets of those who left as served, so that they need not be remembered", async () => {
    const { time, state, store, build, effects } = start();
    Object.assign(state, { head: 5, served: 2, taken: 4, left: new Set([3, 4]) });
    await time.run(commitWithRetry(store, build, effects));
    expect(state).toMatchObject({ head: 6, served: 5, taken: 5 });
  });

  it("queues up when others wait, before it is built", async () => {
    const { time, state, store, build, builds, effects, commits } = start();
    state.taken = 1;
    const before = time.sleep(100).then(() => Object.assign(state, { head: 1, served: 1 }));
    await time.run(Promise.all([commitWithRetry(store, build, effects), before]));
    expect(commits.map(({ ticket }) => ticket)).toEqual([2]);
    expect(builds.at(-1)).toBe(1);
  });

  it("is tried again under its ticket when it was too late", async () => {
    const { time, store, build, builds, effects, commits } = start([new Contention("taken")]);
    await time.run(commitWithRetry(store, build, effects));
    expect(commits.map(({ ticket }) => ticket)).toEqual([1, 1]);
    // Nothing was written since: what was built still holds.
    expect(builds).toEqual([0]);
  });
});
