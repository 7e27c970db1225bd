/** Delivery to a maildir. */

import { randomBytes } from "node:crypto";
import { open, rename, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import type {
  DeliveryFailure,
  DeliveryReply,
  DeliveryRoute,
  DeliveryTarget,
  DeliveryTransaction,
  MailTransaction,
} from "../../core/delivery/delivery.ts";
import { isSafeAddress, mailboxText, type Mailbox } from "../../core/name/mailbox.ts";
import { brokenOff, type DeliveryRefusal, refused } from "../../core/delivery/delivery-refusals.ts";
import { createMaildir, syncDirectory } from "./maildir-directories.ts";

export interface MaildirOptions {
  readonly clock: Clock;
  /** The file system, for tests of its failures. */
  readonly files?: MaildirFiles;
}

/** What is asked of the file system for each message. */
export interface MaildirFiles {
  open(path: string): Promise<MessageFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

export interface MessageFile {
  write(octets: Uint8Array, offset: number): Promise<{ readonly bytesWritten: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

const NODE_FILES: MaildirFiles = { open: (path) => open(path, "wx", 0o600), rename, unlink, syncDirectory };

/**
 * DeliveryTarget for `maildir:` routes: one file a message, in `tmp` until it is whole and on disk, then
 * renamed into `new` (https://cr.yp.to/proto/maildir.html). Accepted means that file and directory entry are
 * both synced. A process that dies before leaves a file in `tmp`, which no reader looks at and which is swept
 * after 36 hours.
 */
export function createMaildirDelivery({ clock, files = NODE_FILES }: MaildirOptions): DeliveryTarget {
  const ready = new Map<string, Promise<void>>();
  let count = 0;

  /** Makes the directories once; after a failure again at the next message. */
  function prepare(directory: string): Promise<void> {
    const known = ready.get(directory);
    if (known !== undefined) return known;
    const made = createMaildir(directory, clock.now());
    ready.set(directory, made);
    made.catch(() => ready.delete(directory));
    return made;
  }

  function uniqueName(): string {
    count += 1;
    const now = clock.now();
    const micros = String((now % 1000) * 1000);
    // Clock, process and counter may all come again after a restart with the clock set back; the random part
    // does not.
    const random = randomBytes(6).toString("hex");
    return `${String(Math.floor(now / 1000))}.M${micros}P${String(process.pid)}Q${String(count)}R${random}.${hostPart()}`;
  }

  return {
    begin(route, transaction) {
      const directory = directoryOf(route);
      return new MaildirTransaction(transaction, {
        files,
        prepare: () => prepare(directory),
        forget: () => ready.delete(directory),
        paths: () => {
          const name = uniqueName();
          return {
            tmp: join(directory, "tmp", name),
            new: join(directory, "new", name),
            newDirectory: join(directory, "new"),
          };
        },
      });
    },
    close: () => Promise.resolve(),
  };
}

interface Maildir {
  readonly files: MaildirFiles;
  prepare(): Promise<void>;
  /** Makes the directories be checked again: they may have been removed. */
  forget(): void;
  paths(): { readonly tmp: string; readonly new: string; readonly newDirectory: string };
}

class MaildirTransaction implements DeliveryTransaction {
  readonly #transaction: MailTransaction;
  readonly #maildir: Maildir;
  readonly #recipients: Mailbox[] = [];
  #isOver = false;

  constructor(transaction: MailTransaction, maildir: Maildir) {
    this.#transaction = transaction;
    this.#maildir = maildir;
  }

  async recipient(mailbox: Mailbox): Promise<DeliveryReply> {
    const addresses = [mailboxText(mailbox), this.#transaction.reversePath ?? ""];
    if (!addresses.every((address) => isSafeAddress(address))) return refused("bad-address", "message");
    try {
      await this.#maildir.prepare();
    } catch (error) {
      return storageRefusal(error);
    }
    this.#recipients.push(mailbox);
    return { kind: "accepted" };
  }

  async message(message: AsyncIterable<Uint8Array>): Promise<DeliveryReply> {
    if (this.#isOver || this.#recipients.length === 0) return refused("message-broke-off", "message");
    this.#isOver = true;
    const { files } = this.#maildir;
    const paths = this.#maildir.paths();
    try {
      await writeWhole(this.#chunks(message), paths.tmp, files);
      await publish(paths, files);
      return { kind: "accepted" };
    } catch (error) {
      await files.unlink(paths.tmp).catch(() => undefined);
      if (!(error instanceof StorageFailure)) return brokenOff(error);
      this.#maildir.forget();
      return storageRefusal(error.cause);
    }
  }

  abort(): void {
    this.#isOver = true;
  }

  async *#chunks(message: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield this.#ownFields();
    yield* message;
  }

  /** RFC 5321 section 4.4 for Return-Path; Delivered-To as Postfix and qmail write it. */
  #ownFields(): Buffer {
    const delivered = this.#recipients.map((mailbox) => `Delivered-To: ${mailboxText(mailbox)}\r\n`);
    return Buffer.from(
      `Return-Path: <${this.#transaction.reversePath ?? ""}>\r\n${delivered.join("")}`,
      "utf8",
    );
  }
}

/** Writing failed, and not the message that was read: the two get different answers. */
class StorageFailure extends Error {
  override readonly name = "StorageFailure";
}

const onDisk = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (cause) {
    throw new StorageFailure("the message could not be stored", { cause });
  }
};

async function writeWhole(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  files: MaildirFiles,
): Promise<void> {
  const file = await onDisk(files.open(path));
  try {
    for await (const chunk of chunks) await onDisk(writeAll(file, chunk));
    await onDisk(file.sync());
  } finally {
    await onDisk(file.close());
  }
}

async function publish(paths: ReturnType<Maildir["paths"]>, files: MaildirFiles): Promise<void> {
  await onDisk(files.rename(paths.tmp, paths.new));
  try {
    await onDisk(files.syncDirectory(paths.newDirectory));
  } catch (error) {
    // The client receives 451 and sends again, so what stands in `new` would be delivered twice.
    await files.unlink(paths.new).catch(() => undefined);
    throw error;
  }
}

async function writeAll(file: MessageFile, octets: Uint8Array): Promise<void> {
  let written = 0;
  while (written < octets.length) written += (await file.write(octets, written)).bytesWritten;
}

function storageRefusal(error: unknown): DeliveryRefusal {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  const cause = CAUSE_OF_CODE.get(code) ?? "storage-failed";
  return refused(cause === "storage-full" ? cause : "storage-failed", cause, { detail: code });
}

const CAUSE_OF_CODE: ReadonlyMap<string, DeliveryFailure> = new Map([
  ["ENOSPC", "storage-full"],
  ["EDQUOT", "storage-full"],
  ["EACCES", "storage-denied"],
  ["EPERM", "storage-denied"],
  ["EROFS", "storage-denied"],
  ["ENOENT", "storage-missing"],
  ["ENOTDIR", "storage-missing"],
  ["ETIMEDOUT", "storage-timeout"],
]);

function directoryOf(route: DeliveryRoute): string {
  if (route.kind === "maildir") return route.directory;
  throw new TypeError(`maildir delivery was given a route of kind ${route.kind}`);
}

/** Slash and colon as the maildir page wants them. */
const hostPart = (): string => hostname().replaceAll("/", "\\057").replaceAll(":", "\\072");
