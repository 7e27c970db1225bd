import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MailTransaction } from "../../core/delivery/delivery.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import {
  type DeliveredMail,
  type DeliveryUnderTest,
  deliveryTargetContract,
} from "../../test/contract/delivery-target.contract.ts";
import { createMaildirDelivery, type MaildirFiles, type MessageFile } from "./maildir.ts";

const clock = { now: () => Date.now() };

async function underTest(): Promise<DeliveryUnderTest> {
  const root = await mkdtemp(join(tmpdir(), "postern-maildir-"));
  const directory = join(root, "not", "yet", "mail");
  return {
    target: createMaildirDelivery({ clock }),
    route: { kind: "maildir", directory },
    delivered: () => readNew(directory),
    dispose: () => rm(root, { recursive: true }),
  };
}

async function readNew(directory: string): Promise<readonly DeliveredMail[]> {
  const names = await readdir(join(directory, "new")).catch(() => []);
  expect(await readdir(join(directory, "tmp")).catch(() => [])).toEqual([]);
  return Promise.all(names.map(async (name) => parse(await readFile(join(directory, "new", name)))));
}

function parse(file: Buffer): DeliveredMail {
  const match = /^Return-Path: <(.*)>\r\n((?:Delivered-To: .*\r\n)+)/.exec(file.toString("utf8"));
  if (match === null) throw new Error("the file does not begin with the fields of a final delivery");
  const [own, reversePath = "", recipients = ""] = match;
  return {
    reversePath,
    recipients: recipients
      .trimEnd()
      .split("\r\n")
      .map((line) => line.slice("Delivered-To: ".length)),
    content: file.subarray(Buffer.byteLength(own, "utf8")).toString("latin1"),
  };
}

deliveryTargetContract({ name: "maildir", create: underTest });

describe("a maildir", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "postern-maildir-"));
  });
  afterEach(() => rm(root, { recursive: true }));

  const mailbox = { localPart: "a", domain: parseDomainName("example.com") };
  const transaction: MailTransaction = {
    reversePath: null,
    parameters: { size: null, body: "8BITMIME", smtpUtf8: true, requireTls: true },
    client: { address: "192.0.2.1", helo: "client.example" },
  };
  const begin = (directory: string) =>
    createMaildirDelivery({ clock }).begin({ kind: "maildir", directory }, transaction);
  const message = async function* () {
    yield await Promise.resolve(Buffer.from("a: b\r\n\r\n"));
  };

  it("is made for its owner alone, and so are its messages", async () => {
    const directory = join(root, "mail");
    const mail = begin(directory);
    await mail.recipient(mailbox);
    await mail.message(message());
    const modes = await Promise.all(
      [".", "tmp", "new", "cur"].map(async (name) => (await stat(join(directory, name))).mode & 0o777),
    );
    expect(modes).toEqual([0o700, 0o700, 0o700, 0o700]);
    const [name = ""] = await readdir(join(directory, "new"));
    expect((await stat(join(directory, "new", name))).mode & 0o777).toBe(0o600);
    expect(name).toMatch(/^\d+\.M\d+P\d+Q\d+R[0-9a-f]{12}\.[^/:]+$/);
  });

  it("loses what a dead process left in tmp 36 hours ago, and nothing younger", async () => {
    const tmp = join(root, "tmp");
    await mkdir(tmp);
    for (const [name, hours] of [
      ["old", 37],
      ["young", 35],
    ] as const) {
      await writeFile(join(tmp, name), "x");
      const at = (clock.now() - hours * 3_600_000) / 1000;
      await utimes(join(tmp, name), at, at);
    }
    await begin(root).recipient(mailbox);
    expect(await readdir(tmp)).toEqual(["young"]);
  });

  it("answers 451 at RCPT when it cannot be made, and works again when it can", async () => {
    const directory = join(root, "file", "mail");
    await writeFile(join(root, "file"), "");
    const target = createMaildirDelivery({ clock });
    const offer = () => target.begin({ kind: "maildir", directory }, transaction).recipient(mailbox);
    expect(await offer()).toMatchObject({
      kind: "refused",
      code: 451,
      text: expect.stringMatching(/^4\.3\.0 /),
      cause: "storage-missing",
      detail: "ENOTDIR",
    });
    await rm(join(root, "file"));
    expect(await offer()).toEqual({ kind: "accepted" });
  });

  it("answers 451 once when its directories are gone, and makes them again", async () => {
    const directory = join(root, "mail");
    const target = createMaildirDelivery({ clock });
    const deliver = async () => {
      const mail = target.begin({ kind: "maildir", directory }, transaction);
      await mail.recipient(mailbox);
      return mail.message(message());
    };
    await deliver();
    await rm(directory, { recursive: true });
    expect(await deliver()).toMatchObject({
      kind: "refused",
      code: 451,
      cause: "storage-missing",
      detail: "ENOENT",
    });
    expect(await deliver()).toEqual({ kind: "accepted" });
  });

  describe("on a disk with trouble", () => {
    const trouble = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));
    const files = (change: Partial<MaildirFiles>, file: Partial<MessageFile> = {}): MaildirFiles => ({
      open: async (path) => {
        const handle = await open(path, "wx");
        return {
          write: (octets, offset) => handle.write(octets, offset),
          sync: () => handle.sync(),
          ...file,
          close: async () => {
            await handle.close();
            await file.close?.();
          },
        };
      },
      rename,
      unlink,
      syncDirectory: () => Promise.resolve(),
      ...change,
    });

    it.each([
      ["open", "EACCES", "storage-denied", 451, files({ open: trouble("EACCES") })],
      ["open", "EROFS", "storage-denied", 451, files({ open: trouble("EROFS") })],
      ["write", "ENOSPC", "storage-full", 452, files({}, { write: trouble("ENOSPC") })],
      ["write", "EDQUOT", "storage-full", 452, files({}, { write: trouble("EDQUOT") })],
      ["write", "EIO", "storage-failed", 451, files({}, { write: trouble("EIO") })],
      ["fsync", "EIO", "storage-failed", 451, files({}, { sync: trouble("EIO") })],
      ["close", "ENOSPC", "storage-full", 452, files({}, { close: trouble("ENOSPC") })],
      ["rename", "EIO", "storage-failed", 451, files({ rename: trouble("EIO") })],
      ["fsync of new", "EIO", "storage-failed", 451, files({ syncDirectory: trouble("EIO") })],
    ])(
      "that fails in %s with %s is %s, answers %i and keeps nothing",
      async (_, detail, cause, code, broken) => {
        const target = createMaildirDelivery({ clock, files: broken });
        const mail = target.begin({ kind: "maildir", directory: root }, transaction);
        await mail.recipient(mailbox);
        expect(await mail.message(message())).toMatchObject({
          kind: "refused",
          code,
          cause,
          detail,
        });
        expect([...(await readdir(join(root, "new"))), ...(await readdir(join(root, "tmp")))]).toEqual([]);
      },
    );

    it("that takes an octet at a time gets them all", async () => {
      const target = createMaildirDelivery({
        clock,
        files: files({
          open: async (path) => {
            const handle = await open(path, "wx");
            return {
              write: (octets, offset) => handle.write(octets, offset, 1),
              sync: () => handle.sync(),
              close: () => handle.close(),
            };
          },
        }),
      });
      const mail = target.begin({ kind: "maildir", directory: root }, transaction);
      await mail.recipient(mailbox);
      expect(await mail.message(message())).toEqual({ kind: "accepted" });
      expect(await readNew(root)).toEqual([
        { reversePath: "", recipients: ["a@example.com"], content: "a: b\r\n\r\n" },
      ]);
    });
  });
});
