import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { type Clock, timestamp } from "../../core/clock.ts";
import type {
  DeliveryFailure,
  DeliveryReply,
  DeliveryRoute,
  DeliveryTarget,
  DeliveryTransaction,
  MailTransaction,
} from "../../core/delivery/delivery.ts";
import { isSafeAddress, mailboxText, type Mailbox } from "../../core/name/mailbox.ts";
import { brokenOff, refused } from "../../core/delivery/delivery-refusals.ts";
import type { ServiceCalls } from "./service-calls.ts";

/**
 * A message up to this size is one request; a longer one is uploaded in parts of it, so that no more is held.
 * S3 wants 5 MB at least.
 */
const PART_BYTES = 8 * 1024 * 1024;

export interface S3DeliveryOptions {
  readonly client: S3Client;
  /**
   * With deadlines for requests of 8 MB, and below what a client waits for after the dot (RFC 5321 section
   * 4.5.3.2.6: ten minutes).
   */
  readonly calls: ServiceCalls;
  readonly clock: Clock;
  /** From a cryptographic source. */
  readonly randomBytes: (count: number) => Buffer;
  readonly partBytes?: number;
}

/** Where one message goes. */
interface Place {
  readonly bucket: string;
  readonly envelopeKey: string;
  readonly messageKey: string;
}

/**
 * DeliveryTarget for `s3://` routes: `<id>.json` with envelope and facts, then `<id>.eml`. The second makes
 * the message exist, whole or not at all; a `.json` alone is a message that was not completed, and readers of
 * the bucket must ignore it. Nothing is ever deleted or read, so that a role which may only put objects is
 * enough.
 */
export function createS3Delivery(options: S3DeliveryOptions): DeliveryTarget {
  return {
    begin: (route, transaction) => new S3Transaction(options, routeTo(route), transaction),
    close: async () => options.client.destroy(),
  };
}

type S3Route = Extract<DeliveryRoute, { kind: "s3" }>;

function routeTo(route: DeliveryRoute): S3Route {
  if (route.kind === "s3") return route;
  throw new TypeError(`S3 delivery was given a route of kind ${route.kind}`);
}

class S3Transaction implements DeliveryTransaction {
  readonly #options: S3DeliveryOptions;
  readonly #route: S3Route;
  readonly #transaction: MailTransaction;
  readonly #recipients: Mailbox[] = [];
  #isOver = false;

  constructor(options: S3DeliveryOptions, route: S3Route, transaction: MailTransaction) {
    this.#options = options;
    this.#route = route;
    this.#transaction = transaction;
  }

  async recipient(mailbox: Mailbox): Promise<DeliveryReply> {
    const addresses = [mailboxText(mailbox), this.#transaction.reversePath ?? ""];
    if (!addresses.every((address) => isSafeAddress(address))) return refused("bad-address", "message");
    this.#recipients.push(mailbox);
    return { kind: "accepted" };
  }

  async message(message: AsyncIterable<Uint8Array>): Promise<DeliveryReply> {
    if (this.#isOver || this.#recipients.length === 0) return refused("message-broke-off", "message");
    this.#isOver = true;
    const receivedAtMs = this.#options.clock.now();
    const id = `${timestamp(receivedAtMs).replaceAll(/[-:.]/g, "")}-${this.#options.randomBytes(10).toString("hex")}`;
    const { bucket, prefix } = this.#route;
    const base = prefix === "" ? id : `${prefix}/${id}`;
    const place: Place = { bucket, envelopeKey: `${base}.json`, messageKey: `${base}.eml` };
    const upload = new Upload(this.#options, place, this.#envelope(id, receivedAtMs));
    try {
      for await (const part of inParts(message, this.#options.partBytes ?? PART_BYTES))
        await upload.add(part);
      await upload.finish();
      return { kind: "accepted" };
    } catch (error) {
      await upload.abort();
      if (!(error instanceof StorageFailure)) return brokenOff(error);
      return refused("storage-failed", causeOf(error.cause), { detail: nameOf(error.cause) });
    }
  }

  abort(): void {
    this.#isOver = true;
  }

  #envelope(id: string, receivedAtMs: number): string {
    const { reversePath, parameters, client } = this.#transaction;
    const recipients = this.#recipients.map(mailboxText);
    return JSON.stringify({
      id,
      receivedAt: timestamp(receivedAtMs),
      reversePath,
      recipients,
      client,
      parameters,
    });
  }
}

/** Storing failed, and not the message that was read: the two get different answers. */
class StorageFailure extends Error {
  override readonly name = "StorageFailure";
}

/** Parts of a message as they come; begun as an upload in parts when there is a second one. */
class Upload {
  readonly #options: S3DeliveryOptions;
  readonly #place: Place;
  readonly #envelope: string;
  readonly #parts: CompletedPart[] = [];
  #waiting: Buffer | null = null;
  #uploadId: string | null = null;

  constructor(options: S3DeliveryOptions, place: Place, envelope: string) {
    this.#options = options;
    this.#place = place;
    this.#envelope = envelope;
  }

  async add(part: Buffer): Promise<void> {
    if (this.#waiting !== null) await this.#send(this.#waiting);
    this.#waiting = part;
  }

  async finish(): Promise<void> {
    const last = this.#waiting ?? Buffer.alloc(0);
    if (this.#uploadId === null) {
      await this.#put(this.#place.envelopeKey, Buffer.from(this.#envelope), "application/json");
      await this.#put(this.#place.messageKey, last, "message/rfc822");
      return;
    }
    await this.#send(last);
    await this.#put(this.#place.envelopeKey, Buffer.from(this.#envelope), "application/json");
    const command = { ...this.#object(), UploadId: this.#uploadId, MultipartUpload: { Parts: this.#parts } };
    // Sent again after a lost answer, it may find the upload gone: then the client receives 451, and the
    // message arrives twice.
    await this.#call((abortSignal) =>
      this.#options.client.send(new CompleteMultipartUploadCommand(command), { abortSignal }),
    );
  }

  /** What was uploaded is no object, and a rule of the bucket removes what this does not. Never rejects. */
  async abort(): Promise<void> {
    if (this.#uploadId === null) return;
    const command = { ...this.#object(), UploadId: this.#uploadId };
    await this.#call((abortSignal) =>
      this.#options.client.send(new AbortMultipartUploadCommand(command), { abortSignal }),
    ).catch(() => undefined);
  }

  async #send(part: Buffer): Promise<void> {
    this.#uploadId ??= await this.#begin();
    const PartNumber = this.#parts.length + 1;
    const command = { ...this.#object(), UploadId: this.#uploadId, PartNumber, Body: part };
    const { ETag } = await this.#call((abortSignal) =>
      this.#options.client.send(new UploadPartCommand(command), { abortSignal }),
    );
    this.#parts.push({ PartNumber, ETag });
  }

  async #begin(): Promise<string> {
    const command = { ...this.#object(), ContentType: "message/rfc822" };
    const { UploadId } = await this.#call((abortSignal) =>
      this.#options.client.send(new CreateMultipartUploadCommand(command), { abortSignal }),
    );
    if (UploadId === undefined) throw new StorageFailure("S3 began no upload");
    return UploadId;
  }

  async #put(key: string, body: Buffer, type: string): Promise<void> {
    const command = { Bucket: this.#place.bucket, Key: key, Body: body, ContentType: type };
    await this.#call((abortSignal) =>
      this.#options.client.send(new PutObjectCommand(command), { abortSignal }),
    );
  }

  #object(): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#place.bucket, Key: this.#place.messageKey };
  }

  async #call<T>(send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.#options.calls.call(send);
    } catch (cause) {
      throw new StorageFailure("the message could not be stored", { cause });
    }
  }
}

/** The message in pieces of at least `bytes`, the last one apart. */
async function* inParts(message: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Buffer> {
  let chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of message) {
    chunks.push(chunk);
    size += chunk.length;
    if (size < bytes) continue;
    yield Buffer.concat(chunks, size);
    chunks = [];
    size = 0;
  }
  yield Buffer.concat(chunks, size);
}

const CAUSE_OF_NAME: ReadonlyMap<string, DeliveryFailure> = new Map([
  ["AccessDenied", "storage-denied"],
  ["AllAccessDisabled", "storage-denied"],
  ["ExpiredToken", "storage-denied"],
  ["InvalidAccessKeyId", "storage-denied"],
  ["CredentialsProviderError", "storage-denied"],
  ["TokenProviderError", "storage-denied"],
  ["NoSuchBucket", "storage-missing"],
  ["AbortError", "storage-timeout"],
  ["TimeoutError", "storage-timeout"],
]);

/** S3's own error is the cause of the error of the call. */
function causeOf(error: unknown): DeliveryFailure {
  const behind = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return (behind instanceof Error ? CAUSE_OF_NAME.get(behind.name) : undefined) ?? "storage-failed";
}

/** For the log: the answer of S3 is the cause of the error that it did not answer in time. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  return error.cause instanceof Error ? `${error.name}: ${error.cause.name}` : error.name;
}
