import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitUntil } from "../support/peers/wait-until.ts";
import { SmtpClient } from "../support/smtp-client.ts";
import { endAll, newDataDir, type PosternProcess, withPostern } from "./postern-process.ts";

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

/** A session that has received 354. */
async function inData(postern: PosternProcess): Promise<SmtpClient> {
  const { smtp } = await postern.started();
  const client = await SmtpClient.connect(smtp.port);
  await client.reply();
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<a@sender.example>");
  expect(await client.say("RCPT TO:<b@example.com>")).toMatch(/^250/);
  expect(await client.say("DATA")).toMatch(/^354/);
  return client;
}

const message = (id: string, lines = 1): string =>
  `From: a@sender.example\r\nMessage-ID: <${id}@sender.example>\r\n\r\n${"body of the message\r\n".repeat(lines)}`;

const ready = async (postern: PosternProcess): Promise<void> => {
  await postern.inForce(await postern.setLevel("example.com", "accept"));
};

/** Throws out of an event handler, as a bug in the product would, when the process receives SIGUSR2. */
const planted = (how: string): string => {
  const script = Buffer.from(`process.on("SIGUSR2", () => { ${how}; })`).toString("base64");
  return `--import=data:text/javascript;base64,${script}`;
};

describe("SIGTERM", () => {
  it("lets a transaction in flight finish, accepts no new connection, and exits 0", async () => {
    await withPostern(dataDir, async (postern) => {
      await ready(postern);
      const client = await inData(postern);
      client.write(message("in-flight"));
      postern.signal("SIGTERM");
      await postern.logged("stopping");
      const { smtp } = await postern.started();
      await expect(SmtpClient.connect(smtp.port)).rejects.toThrow(/ECONNREFUSED/);
      expect(await client.say(".")).toMatch(/^250 /);
      expect(await client.reply()).toMatch(/^421 4\.3\.2/);
      expect(await postern.ended).toEqual({ code: 0, signal: null });
      expect(postern.messages.filter((text) => text.includes("<in-flight@"))).toHaveLength(1);
    });
  });

  it("is followed by normal service for acceptAfterTermMs, until an unexpected error", async () => {
    await withPostern(
      dataDir,
      async (postern) => {
        await ready(postern);
        const idle = await inData(postern);
        idle.write(message("before"));
        expect(await idle.say(".")).toMatch(/^250 /);
        postern.signal("SIGTERM");
        await postern.ready((state) => state["draining"] === true && state["ready"] === false, "draining");
        const client = await inData(postern);
        client.write(message("after"));
        expect(await client.say(".")).toMatch(/^250 /);
        expect(await idle.say("NOOP")).toMatch(/^250 /);
        postern.signal("SIGUSR2");
        expect(await idle.reply()).toMatch(/^421 4\.3\.2/);
        expect(await postern.ended).toEqual({ code: 1, signal: null });
        expect(postern.messages.filter((text) => text.includes("<after@"))).toHaveLength(1);
      },
      {
        LIMITS: '{"acceptAfterTermMs":600000,"drainMs":700000}',
        NODE_OPTIONS: planted('throw new Error("planted")'),
      },
    );
  });

  it.each([
    ["SIGTERM, when that time is over", "SIGTERM", 100],
    ["SIGINT, without that time", "SIGINT", 600_000],
  ] as const)("is followed by 421 and exit code 0 after %s", async (_what, signal, acceptAfterTermMs) => {
    await withPostern(
      dataDir,
      async (postern) => {
        await ready(postern);
        const idle = await inData(postern);
        idle.write(message("before"));
        expect(await idle.say(".")).toMatch(/^250 /);
        postern.signal(signal);
        expect(await idle.reply()).toMatch(/^421 4\.3\.2/);
        expect(await postern.ended).toEqual({ code: 0, signal: null });
      },
      { LIMITS: JSON.stringify({ acceptAfterTermMs, drainMs: 700_000 }) },
    );
  });

  it("is not ready while it drains, and closes the remaining sessions after the grace time", async () => {
    await withPostern(
      dataDir,
      async (postern) => {
        await ready(postern);
        const client = await inData(postern);
        client.write(message("never-ended"));
        postern.signal("SIGTERM");
        await postern.ready((state) => state["draining"] === true && state["ready"] === false, "draining");
        const { code } = await postern.ended;
        expect(code).toBe(0);
        expect(await client.reply()).not.toMatch(/^250/);
        expect(postern.messages).toEqual([]);
      },
      { LIMITS: '{"drainMs":1500}' },
    );
  });

  it("ends the process at once when a second signal arrives", async () => {
    await withPostern(
      dataDir,
      async (postern) => {
        await ready(postern);
        await inData(postern);
        postern.signal("SIGTERM");
        await postern.logged("stopping");
        // A SIGTERM within 250 ms of the first counts as the same one (worker/process/shutdown.ts).
        await waitUntil(
          () => {
            postern.signal("SIGTERM");
            return postern.child.exitCode ?? undefined;
          },
          { what: "the end after a second SIGTERM" },
        );
        expect(await postern.ended).toEqual({ code: 1, signal: null });
      },
      // Longer than this test may take: it does not end by itself.
      { LIMITS: '{"drainMs":700000}' },
    );
  });
});

describe("an unexpected error", () => {
  it.each([
    ["uncaughtException", 'throw new Error("planted")'],
    ["unhandledRejection", 'Promise.reject(new Error("planted"))'],
  ])("(%s) is logged, lets the transaction in flight finish, and exits non-zero", async (origin, how) => {
    await withPostern(
      dataDir,
      async (postern) => {
        await ready(postern);
        const client = await inData(postern);
        client.write(message("in-flight"));
        postern.signal("SIGUSR2");
        await postern.logged("stopping");
        expect(await postern.logged("internal-error")).toMatchObject({
          where: origin,
          error: { message: "planted" },
        });
        const { smtp } = await postern.started();
        await expect(SmtpClient.connect(smtp.port)).rejects.toThrow(/ECONNREFUSED/);
        expect(await client.say(".")).toMatch(/^250 /);
        expect(await postern.ended).toEqual({ code: 1, signal: null });
        expect(postern.messages).toHaveLength(1);
      },
      { NODE_OPTIONS: planted(how) },
    );
  });
});

describe("SIGKILL", () => {
  it("loses no acknowledged message and leaves no partial one", async () => {
    const acknowledged = await withPostern(dataDir, async (postern) => {
      await ready(postern);
      const answered: string[] = [];
      const sending = Array.from({ length: 8 }, async (_, sender) => {
        for (let count = 0; ; count += 1) {
          const client = await inData(postern).catch(() => null);
          if (client === null) return;
          const id = `m-${sender}-${count}`;
          client.write(message(id, 2_000));
          if (!(await client.say(".").catch(() => "closed")).startsWith("250")) return;
          answered.push(id);
          client.close();
          if (answered.length === 30) postern.signal("SIGKILL");
        }
      });
      // A message between DATA and its dot when the process is killed.
      const unfinished = await inData(postern);
      unfinished.write(message("unfinished", 2_000));
      await Promise.all(sending);
      expect((await postern.ended).signal).toBe("SIGKILL");
      return answered;
    });
    expect(acknowledged.length).toBeGreaterThanOrEqual(30);
    await withPostern(dataDir, async (postern) => {
      await postern.started();
      for (const id of acknowledged) {
        const found = postern.messages.filter((text) => text.includes(`Message-ID: <${id}@sender.example>`));
        expect([id, found.length]).toEqual([id, 1]);
        expect(found[0]?.endsWith(message(id, 2_000))).toBe(true);
      }
      expect(postern.messages.some((text) => text.includes("<unfinished@"))).toBe(false);
    });
  });
});
